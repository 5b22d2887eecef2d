(* From mean and rstd to y (NUMERICS, "Apply"). M and Rs are the exact mean and 1 / deviation, mc
   and Rc the computed ones. *)
From Coq Require Import Reals Psatz.
From Flocq Require Import Core.
From Gappa Require Import Gappa_tactic.
Require Import Constants Float.
Open Scope R_scope.

(* ---- The mean in two floats ------------------------------------------------------------------ *)

Definition mean_high mc := rnd Float mc.
Definition mean_low mc := rnd Float (mc - mean_high mc).
Definition deviation z mc := rnd Float (rnd Float (z - mean_high mc) - mean_low mc).

(* (z - mh) - ml is (z - mean) * A + l / R: A is two roundings, l what ml loses. z and mean are
   apart, and then the rounding of mh is part of that of the difference, or near, and then the
   difference is exact. *)
Lemma deviation_error : forall z mc R, format Float z -> 0 < R -> Rabs mc * R <= 33588000 ->
  exists A l, Rabs (A - 1) <= 2049 / 17179869184 /\ Rabs l <= 129 / 1073741824 /\
  deviation z mc * R = (z - mc) * R * A + l.
Proof.
intros z mc R Hz HR Hm. unfold deviation, mean_low.
destruct (rnd_ex Float mc) as [dm [Bm Em]]. fold (mean_high mc) in Em.
destruct (rnd_ex Float (mc - mean_high mc)) as [dl [Bl El]].
destruct (rnd_ex Float (rnd Float (z - mean_high mc) - rnd Float (mc - mean_high mc)))
  as [d [Bd Ed]].
simpl unit in *.
destruct (Rle_or_lt (Rabs (z - mc)) (Rabs mc / 4)) as [HS | HS].
- assert (Ex : rnd Float (z - mean_high mc) = z - mean_high mc).
  { apply exact_sub; [exact Hz | apply rnd_format |]. rewrite Em. revert HS Bm. unfold Rabs.
    destruct (Rcase_abs mc), (Rcase_abs (z - mc)), (Rcase_abs dm); intros;
      (left; nra) || (right; nra). }
  exists (1 + d), (mc * R * dm * dl * (1 + d)). split; [|split].
  + replace (1 + d - 1) with d by ring. lra.
  + assert (Hq : Rabs (mc * R) <= 33588000) by (rewrite Rabs_mult, (Rabs_right R); lra).
    revert Hq Bm Bl Bd. generalize (mc * R). intros q Hq B1 B2 B3. gappa.
  + rewrite Ed, Ex, El, Em. ring.
- destruct (rnd_ex Float (z - mean_high mc)) as [d1 [B1 E1]]. simpl unit in B1.
  assert (Hv : z - mc <> 0).
  { intros H. rewrite H, Rabs_R0 in HS. generalize (Rabs_pos mc). lra. }
  set (n := mc / (z - mc)).
  assert (Hn : Rabs n <= 4).
  { unfold n, Rdiv. rewrite Rabs_mult, Rabs_inv.
    apply Rmult_le_reg_r with (Rabs (z - mc)); [now apply Rabs_pos_lt|].
    rewrite Rmult_assoc, Rinv_l by now apply Rabs_no_R0. lra. }
  exists ((1 + d1 - n * dm * (d1 - dl)) * (1 + d)), 0. split; [|split].
  + revert Hn Bm Bl Bd B1. generalize n. intros q Hn Bm Bl Bd B1.
    replace ((1 + d1 - q * dm * (d1 - dl)) * (1 + d) - 1)
      with (d1 + d + d1 * d - q * dm * (d1 - dl) * (1 + d)) by ring.
    gappa.
  + rewrite Rabs_R0. lra.
  + rewrite Ed, E1, El, Em. unfold n. field. exact Hv.
Qed.

(* ---- The shape of the bound ------------------------------------------------------------------ *)

(* y = (X * t1 + c) * g + b * (1 + d), nearly: what multiplies X, what is added to it, what is left
   of b. *)
Lemma combine : forall C g X b t c d, 0 <= C -> Rabs t <= C -> Rabs c <= C -> Rabs d <= C ->
  Rabs (g * X * t + g * c + b * d) <= C * (Rabs g * (1 + Rabs X) + Rabs b).
Proof.
intros C g X b t c d HC Ht Hc Hd.
eapply Rle_trans; [apply Rabs_triang|]. eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|].
rewrite !Rabs_mult.
generalize (Rabs_pos g) (Rabs_pos X) (Rabs_pos b). intros G1 X1 B1.
assert (Rabs g * Rabs X * Rabs t <= Rabs g * Rabs X * C)
  by (apply Rmult_le_compat_l; [apply Rmult_le_pos|]; assumption).
assert (Rabs g * Rabs c <= Rabs g * C) by (apply Rmult_le_compat_l; assumption).
assert (Rabs b * Rabs d <= Rabs b * C) by (apply Rmult_le_compat_l; assumption).
lra.
Qed.

(* ---- y --------------------------------------------------------------------------------------- *)

Definition y_rows z mc Rc g b :=
  rnd Float (rnd Float (rnd Float (deviation z mc * rnd Float Rc) * g) + b).
Definition y_channels z mc Rc g b :=
  rnd Float (rnd Float (deviation z mc * rnd Float (rnd Double (g * Rc))) + b).
Definition y_rms z Rc g b := rnd Float (rnd Float (rnd Float (z * rnd Float Rc) * g) + b).
Definition y_double z mc Rc g b := rnd Float (rnd Double (rnd Double (rnd Double
  (rnd Double (z - mc) * Rc) * g) + b)).

(* gamma + gamma_offset as a float: s is the exact sum. *)
Definition with_offset s := rnd Float (rnd Double s).

Lemma with_offset_error : forall s, exists d, Rabs d <= 257 / 4294967296 /\
  with_offset s = s * (1 + d).
Proof.
intros s. unfold with_offset. destruct (rnd_ex Double s) as [a [Ba Ea]].
destruct (rnd_ex Float (rnd Double s)) as [c [Bc Ec]]. simpl unit in *.
exists ((1 + a) * (1 + c) - 1). split; [|rewrite Ec, Ea; ring].
replace ((1 + a) * (1 + c) - 1) with (a + c + a * c) by ring. gappa.
Qed.

Section Y.
Variables z M mc Rs Rc rho : R.
Hypothesis Fz : format Float z.
Hypothesis PR : 0 < Rs.
Hypothesis Erho : Rc = Rs * (1 + rho).
Let X := (z - M) * Rs.

Section Given.
Hypothesis Hmc : Rabs mc * Rs <= 33588000.

(* gf is g * (1 + o). *)
Lemma rows_shape : forall g o b, exists A l d3 d4 d5 d6,
  Rabs (A - 1) <= 2049 / 17179869184 /\ Rabs l <= 129 / 1073741824 /\
  Rabs d3 <= u /\ Rabs d4 <= u /\ Rabs d5 <= u /\ Rabs d6 <= u /\
  y_rows z mc Rc (g * (1 + o)) b - (X * g + b) =
    g * X * (A * ((1 + rho) * (1 + d3) * (1 + d4) * (1 + o) * (1 + d5) * (1 + d6)) - 1)
    + g * (((M - mc) * Rs * A + l) *
           ((1 + rho) * (1 + d3) * (1 + d4) * (1 + o) * (1 + d5) * (1 + d6))) + b * d6.
Proof.
intros g o b. destruct (deviation_error z mc Rs Fz PR Hmc) as [A [l [BA [Bl E]]]]. unfold y_rows.
destruct (rnd_ex Float Rc) as [d3 [B3 E3]]. rewrite E3.
destruct (rnd_ex Float (deviation z mc * (Rc * (1 + d3)))) as [d4 [B4 E4]]. rewrite E4.
destruct (rnd_ex Float (deviation z mc * (Rc * (1 + d3)) * (1 + d4) * (g * (1 + o))))
  as [d5 [B5 E5]]. rewrite E5.
match goal with |- context [rnd Float (?p + b)] =>
  destruct (rnd_ex Float (p + b)) as [d6 [B6 E6]] end.
rewrite E6, Erho. simpl unit in *.
exists A, l, d3, d4, d5, d6. repeat (split; [assumption|]).
replace (deviation z mc * (Rs * (1 + rho) * (1 + d3)) * (1 + d4) * (g * (1 + o)) * (1 + d5))
  with ((deviation z mc * Rs) * ((1 + rho) * (1 + d3) * (1 + d4) * (g * (1 + o)) * (1 + d5)))
  by ring.
rewrite E. unfold X. ring.
Qed.

Lemma channels_shape : forall g o b, exists A l d2 d3 d4 d6,
  Rabs (A - 1) <= 2049 / 17179869184 /\ Rabs l <= 129 / 1073741824 /\
  Rabs d2 <= w /\ Rabs d3 <= u /\ Rabs d4 <= u /\ Rabs d6 <= u /\
  y_channels z mc Rc (g * (1 + o)) b - (X * g + b) =
    g * X * (A * ((1 + rho) * (1 + o) * (1 + d2) * (1 + d3) * (1 + d4) * (1 + d6)) - 1)
    + g * (((M - mc) * Rs * A + l) *
           ((1 + rho) * (1 + o) * (1 + d2) * (1 + d3) * (1 + d4) * (1 + d6))) + b * d6.
Proof.
intros g o b. destruct (deviation_error z mc Rs Fz PR Hmc) as [A [l [BA [Bl E]]]].
unfold y_channels.
destruct (rnd_ex Double (g * (1 + o) * Rc)) as [d2 [B2 E2]]. rewrite E2.
destruct (rnd_ex Float (g * (1 + o) * Rc * (1 + d2))) as [d3 [B3 E3]]. rewrite E3.
destruct (rnd_ex Float (deviation z mc * (g * (1 + o) * Rc * (1 + d2) * (1 + d3))))
  as [d4 [B4 E4]]. rewrite E4.
match goal with |- context [rnd Float (?p + b)] =>
  destruct (rnd_ex Float (p + b)) as [d6 [B6 E6]] end.
rewrite E6, Erho. simpl unit in *.
exists A, l, d2, d3, d4, d6. repeat (split; [assumption|]).
replace (deviation z mc * (g * (1 + o) * (Rs * (1 + rho)) * (1 + d2) * (1 + d3)) * (1 + d4))
  with ((deviation z mc * Rs) * (g * (1 + o) * (1 + rho) * (1 + d2) * (1 + d3) * (1 + d4))) by ring.
rewrite E. unfold X. ring.
Qed.

(* What float statistics may be off by; and statistics that are given. *)
Definition em := 159 / 268435456.
Definition er := 853 / 1073741824.

Ltac finish A BA c :=
  replace A with (1 + (A - 1)) by ring; revert BA; generalize (A - 1); intros; gappa.
Ltac rows g o b :=
  let A := fresh "A" in let l := fresh "l" in let BA := fresh "BA" in let E := fresh "E" in
  let d3 := fresh "d" in let d4 := fresh "d" in let d5 := fresh "d" in let d6 := fresh "d" in
  let Bl := fresh "B" in let B3 := fresh "B" in let B4 := fresh "B" in let B5 := fresh "B" in
  let B6 := fresh "B" in
  destruct (rows_shape g o b) as [A [l [d3 [d4 [d5 [d6 [BA [Bl [B3 [B4 [B5 [B6 E]]]]]]]]]]]];
  rewrite E; apply combine; [lra | | | lra];
  clear E; generalize dependent ((M - mc) * Rs); intros c ?; finish A BA c.
Ltac channels g o b :=
  let A := fresh "A" in let l := fresh "l" in let BA := fresh "BA" in let E := fresh "E" in
  let d2 := fresh "d" in let d3 := fresh "d" in let d4 := fresh "d" in let d6 := fresh "d" in
  let Bl := fresh "B" in let B2 := fresh "B" in let B3 := fresh "B" in let B4 := fresh "B" in
  let B6 := fresh "B" in
  destruct (channels_shape g o b) as [A [l [d2 [d3 [d4 [d6 [BA [Bl [B2 [B3 [B4 [B6 E]]]]]]]]]]]];
  rewrite E; apply combine; [lra | | | lra];
  clear E; generalize dependent ((M - mc) * Rs); intros c ?; finish A BA c.

Lemma rows : forall g b, Rabs ((M - mc) * Rs) <= em -> Rabs rho <= er ->
  Rabs (y_rows z mc Rc g b - (X * g + b)) <= 311 / 268435456 * (Rabs g * (1 + Rabs X) + Rabs b).
Proof.
unfold em, er. intros g b Hem Hr. replace g with (g * (1 + 0)) at 1 by ring. rows g 0 b.
Qed.

Lemma rows_offset : forall s b, Rabs ((M - mc) * Rs) <= em -> Rabs rho <= er ->
  Rabs (y_rows z mc Rc (with_offset s) b - (X * s + b)) <=
  327 / 268435456 * (Rabs s * (1 + Rabs X) + Rabs b).
Proof.
unfold em, er. intros s b Hem Hr. destruct (with_offset_error s) as [o [Bo Eo]]. rewrite Eo.
rows s o b.
Qed.

Lemma channels : forall g b, Rabs ((M - mc) * Rs) <= em -> Rabs rho <= er ->
  Rabs (y_channels z mc Rc g b - (X * g + b)) <= 295 / 268435456 * (Rabs g * (1 + Rabs X) + Rabs b).
Proof.
unfold em, er. intros g b Hem Hr. replace g with (g * (1 + 0)) at 1 by ring. channels g 0 b.
Qed.

Lemma channels_offset : forall s b, Rabs ((M - mc) * Rs) <= em -> Rabs rho <= er ->
  Rabs (y_channels z mc Rc (with_offset s) b - (X * s + b)) <=
  311 / 268435456 * (Rabs s * (1 + Rabs X) + Rabs b).
Proof.
unfold em, er. intros s b Hem Hr. destruct (with_offset_error s) as [o [Bo Eo]]. rewrite Eo.
channels s o b.
Qed.

(* Of statistics that are given, rstd has three roundings in double. *)
Lemma given : forall g b, M = mc -> Rabs rho <= 1 / 2251799813685248 ->
  Rabs (y_channels z mc Rc g b - (X * g + b)) <=
  321 / 1073741824 * (Rabs g * (1 + Rabs X) + Rabs b).
Proof.
intros g b Hem Hr. replace g with (g * (1 + 0)) at 1 by ring.
assert (Rabs ((M - mc) * Rs) <= 0) by (rewrite Hem; replace ((mc - mc) * Rs) with 0 by ring;
  rewrite Rabs_R0; lra).
channels g 0 b.
Qed.

Lemma given_offset : forall s b, M = mc -> Rabs rho <= 1 / 2251799813685248 ->
  Rabs (y_channels z mc Rc (with_offset s) b - (X * s + b)) <=
  385 / 1073741824 * (Rabs s * (1 + Rabs X) + Rabs b).
Proof.
intros s b Hem Hr. destruct (with_offset_error s) as [o [Bo Eo]]. rewrite Eo.
assert (Rabs ((M - mc) * Rs) <= 0) by (rewrite Hem; replace ((mc - mc) * Rs) with 0 by ring;
  rewrite Rabs_R0; lra).
channels s o b.
Qed.

End Given.

(* In double, with one rounding at the end. One double holds the mean. *)
Lemma double : forall g o b, Rabs ((M - mc) * Rs) <= 18 / 16777216 -> Rabs rho <= er ->
  Rabs o <= w ->
  Rabs (y_double z mc Rc (g * (1 + o)) b - (X * g + b)) <=
  311 / 268435456 * (Rabs g * (1 + Rabs X) + Rabs b).
Proof.
unfold em, er, y_double. intros g o b Hem Hr Bo.
destruct (rnd_ex Double (z - mc)) as [d1 [B1 E1]]. rewrite E1.
destruct (rnd_ex Double ((z - mc) * (1 + d1) * Rc)) as [d2 [B2 E2]]. rewrite E2.
destruct (rnd_ex Double ((z - mc) * (1 + d1) * Rc * (1 + d2) * (g * (1 + o)))) as [d3 [B3 E3]].
rewrite E3. set (p := (z - mc) * (1 + d1) * Rc * (1 + d2) * (g * (1 + o)) * (1 + d3)).
destruct (rnd_ex Double (p + b)) as [d4 [B4 E4]]. rewrite E4.
destruct (rnd_ex Float ((p + b) * (1 + d4))) as [d5 [B5 E5]]. rewrite E5. simpl unit in *.
assert (E : (p + b) * (1 + d4) * (1 + d5) - (X * g + b) =
  g * X * ((1 + rho) * (1 + o) * (1 + d1) * (1 + d2) * (1 + d3) * (1 + d4) * (1 + d5) - 1)
  + g * ((M - mc) * Rs *
         ((1 + rho) * (1 + o) * (1 + d1) * (1 + d2) * (1 + d3) * (1 + d4) * (1 + d5)))
  + b * ((1 + d4) * (1 + d5) - 1)) by (unfold p, X; rewrite Erho; ring).
rewrite E. clear E E1 E2 E3 E4 E5 p. generalize dependent ((M - mc) * Rs). intros c Hem.
apply combine; [lra | | |]; gappa.
Qed.

(* ... with a mean that is given, or that is 0 (RMS). *)
Lemma double_near : forall g o b, M = mc -> Rabs rho <= 1 / 268435456 -> Rabs o <= w ->
  Rabs (y_double z mc Rc (g * (1 + o)) b - (X * g + b)) <=
  18 / 268435456 * (Rabs g * (1 + Rabs X) + Rabs b).
Proof.
unfold y_double. intros g o b HM Hr Bo.
destruct (rnd_ex Double (z - mc)) as [d1 [B1 E1]]. rewrite E1.
destruct (rnd_ex Double ((z - mc) * (1 + d1) * Rc)) as [d2 [B2 E2]]. rewrite E2.
destruct (rnd_ex Double ((z - mc) * (1 + d1) * Rc * (1 + d2) * (g * (1 + o)))) as [d3 [B3 E3]].
rewrite E3. set (p := (z - mc) * (1 + d1) * Rc * (1 + d2) * (g * (1 + o)) * (1 + d3)).
destruct (rnd_ex Double (p + b)) as [d4 [B4 E4]]. rewrite E4.
destruct (rnd_ex Float ((p + b) * (1 + d4))) as [d5 [B5 E5]]. rewrite E5. simpl unit in *.
assert (E : (p + b) * (1 + d4) * (1 + d5) - (X * g + b) =
  g * X * ((1 + rho) * (1 + o) * (1 + d1) * (1 + d2) * (1 + d3) * (1 + d4) * (1 + d5) - 1)
  + g * 0 + b * ((1 + d4) * (1 + d5) - 1)) by (unfold p, X; rewrite Erho, HM; ring).
rewrite E. clear E E1 E2 E3 E4 E5 p.
apply combine; [lra | | rewrite Rabs_R0; lra |]; gappa.
Qed.

(* RMS: z has no mean taken off, and M is 0. *)
Lemma rms_shape : forall g o b, exists d3 d4 d5 d6,
  Rabs d3 <= u /\ Rabs d4 <= u /\ Rabs d5 <= u /\ Rabs d6 <= u /\
  y_rms z Rc (g * (1 + o)) b - (z * Rs * g + b) =
    g * (z * Rs) * ((1 + rho) * (1 + d3) * (1 + d4) * (1 + o) * (1 + d5) * (1 + d6) - 1)
    + g * 0 + b * d6.
Proof.
intros g o b. unfold y_rms. destruct (rnd_ex Float Rc) as [d3 [B3 E3]]. rewrite E3.
destruct (rnd_ex Float (z * (Rc * (1 + d3)))) as [d4 [B4 E4]]. rewrite E4.
destruct (rnd_ex Float (z * (Rc * (1 + d3)) * (1 + d4) * (g * (1 + o)))) as [d5 [B5 E5]].
rewrite E5.
match goal with |- context [rnd Float (?p + b)] =>
  destruct (rnd_ex Float (p + b)) as [d6 [B6 E6]] end.
rewrite E6, Erho. simpl unit in *. exists d3, d4, d5, d6. repeat (split; [assumption|]). ring.
Qed.

Definition er_rms := 257 / 1073741824.

Lemma rms : forall g b, Rabs rho <= er_rms ->
  Rabs (y_rms z Rc g b - (z * Rs * g + b)) <=
  129 / 268435456 * (Rabs g * (1 + Rabs (z * Rs)) + Rabs b).
Proof.
unfold er_rms. intros g b Hr. replace g with (g * (1 + 0)) at 1 by ring.
destruct (rms_shape g 0 b) as [d3 [d4 [d5 [d6 [B3 [B4 [B5 [B6 E]]]]]]]]. rewrite E.
apply combine; [lra | | rewrite Rabs_R0; lra | lra]. clear E. gappa.
Qed.

Lemma rms_offset : forall s b, Rabs rho <= er_rms ->
  Rabs (y_rms z Rc (with_offset s) b - (z * Rs * s + b)) <=
  145 / 268435456 * (Rabs s * (1 + Rabs (z * Rs)) + Rabs b).
Proof.
unfold er_rms. intros s b Hr. destruct (with_offset_error s) as [o [Bo Eo]]. rewrite Eo.
destruct (rms_shape s o b) as [d3 [d4 [d5 [d6 [B3 [B4 [B5 [B6 E]]]]]]]]. rewrite E.
apply combine; [lra | | rewrite Rabs_R0; lra | lra]. clear E. gappa.
Qed.

End Y.

(* ---- y of doubles ---------------------------------------------------------------------------- *)

Definition y_rows_f64 z mc Rc g b :=
  rnd Double (rnd Double (rnd Double (rnd Double (z - mc) * Rc) * g) + b).
Definition y_channels_f64 z mc Rc g b :=
  rnd Double (rnd Double (rnd Double (z - mc) * rnd Double (g * Rc)) + b).
