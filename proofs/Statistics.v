(* From the values of a list to mean and rstd (NUMERICS, "Statistics"), by sums in float around a
   pilot that the acceptance test let pass. *)
From Coq Require Import Reals Psatz List.
Require Import Constants Float Sum.
Open Scope R_scope.

Lemma abs_le : forall x y, Rabs x <= y -> - y <= x <= y.
Proof. intros x y. unfold Rabs. destruct (Rcase_abs x); lra. Qed.

Lemma sqr_le : forall x y, 0 <= y -> x ^ 2 <= y ^ 2 -> x <= y.
Proof. intros x y Hy H. destruct (Rle_or_lt x y); [assumption | exfalso; nra]. Qed.

(* x^2 <= a, y^2 <= b: x*y <= c where a*b <= c^2. *)
Lemma mul_sqr_le : forall x y a b c, 0 <= x -> 0 <= y -> 0 <= c ->
  x ^ 2 <= a -> y ^ 2 <= b -> a * b <= c ^ 2 -> x * y <= c.
Proof.
intros x y a b c Hx Hy Hc Ha Hb H. apply sqr_le; [exact Hc|].
replace ((x * y) ^ 2) with (x ^ 2 * y ^ 2) by ring.
eapply Rle_trans; [|exact H].
apply Rmult_le_compat; try apply pow2_ge_0; assumption.
Qed.

(* ---- From the errors of two sums to that of the variance ------------------------------------- *)

(* All per value. s1 and s2 are computed, Dh, Qh and Ah the exact sums of the differences d as they
   were rounded, of d*d and |d|; D and Q those of the differences without rounding. k is the unit of
   the sums, wd that of what follows. T is var + eps as it is computed. *)
Section Variance.
Set Default Proof Using "All".
Variables k e1 e2 wd : R.
Hypothesis Hk : 0 < k <= u.
Hypothesis He1 : 0 <= e1 <= 16 * u.
Hypothesis He2 : 0 <= e2 <= 16 * u.
Hypothesis Hwd : 0 <= wd <= u.
Variables s1 s2 Dh Qh Ah Q V eps X Y T t1 t2 t3 r : R.
Hypothesis H1 : Rabs (s1 - Dh) <= e1 * Ah.
Hypothesis HA : 0 <= Ah.
Hypothesis HAQ : Ah ^ 2 <= Qh.
Hypothesis H2 : Rabs (s2 - Qh) <= e2 * Qh.
Hypothesis HV : 0 <= V <= Q.
Hypothesis HQ : Q <= Qh * (1 + 3 * u).
Hypothesis Hr : 0 <= r.
Hypothesis HrV : r ^ 2 <= V * Q.
Hypothesis H3 : Rabs (Qh - Dh ^ 2 - V) <= 2 * k * r + k ^ 2 * Q.
Hypothesis Heps : 0 <= eps.
Hypothesis HX : Rabs (X - (s2 - s1 ^ 2)) <= (2 * wd + wd ^ 2) * s1 ^ 2.
Hypothesis HY : Y = Rmax 0 X.
Hypothesis HT : T = (Y * (1 + t1) * (1 + t2) + eps) * (1 + t3).
Hypothesis B1 : Rabs t1 <= wd.
Hypothesis B2 : Rabs t2 <= wd.
Hypothesis B3 : Rabs t3 <= wd.
Hypothesis HTpos : 0 < T.
Hypothesis Hacc : s1 ^ 2 * (1 - wd) ^ 3 <= accept * T.

Lemma small : 0 < k <= 6 / 100000000 /\ 0 <= wd <= 6 / 100000000.
Proof. lra. Qed.

Lemma s1_T : s1 ^ 2 <= (1 / 2 + 2 * wd) * T.
Proof.
generalize small. intros [_ K]. unfold accept in Hacc.
assert (0 <= s1 ^ 2) by apply pow2_ge_0.
assert (C : 1 - 3 * wd <= (1 - wd) ^ 3 /\ 1 / 2 <= (1 / 2 + 2 * wd) * (1 - 3 * wd))
  by (clear - K; nra).
assert (s1 ^ 2 * (1 - 3 * wd) <= s1 ^ 2 * (1 - wd) ^ 3) by (apply Rmult_le_compat_l; lra).
assert (1 / 2 * T <= (1 / 2 + 2 * wd) * (1 - 3 * wd) * T) by (apply Rmult_le_compat_r; lra).
apply Rmult_le_reg_r with (1 - 3 * wd); lra.
Qed.

Lemma Y_pos : 0 <= Y.
Proof. rewrite HY. apply Rmax_l. Qed.

(* (1 + t1) (1 + t2) (1 + t3) lies between these. *)
Lemma three : forall a b c, Rabs a <= wd -> Rabs b <= wd -> Rabs c <= wd ->
  1 - 3 * wd <= (1 + a) * (1 + b) * (1 + c) <= 1 + 3001 / 1000 * wd.
Proof.
intros a b c Ha Hb Hc. generalize small. intros [_ K]. apply abs_le in Ha, Hb, Hc.
assert (P : (1 - wd) ^ 2 <= (1 + a) * (1 + b) <= (1 + wd) ^ 2) by (clear - K Ha Hb; nra).
assert (Q1 : 0 <= (1 - wd) ^ 2) by apply pow2_ge_0.
assert ((1 - wd) ^ 2 * (1 - wd) <= (1 + a) * (1 + b) * (1 + c)) by (apply Rmult_le_compat; lra).
assert ((1 + a) * (1 + b) * (1 + c) <= (1 + wd) ^ 2 * (1 + wd)) by (apply Rmult_le_compat; lra).
assert (1 - 3 * wd <= (1 - wd) ^ 2 * (1 - wd)) by (clear - K; nra).
assert ((1 + wd) ^ 2 * (1 + wd) <= 1 + 3001 / 1000 * wd) by (clear - K; nra).
lra.
Qed.

Lemma T_Y : Rabs (T - (Y + eps)) <= 301 / 100 * wd * T /\ Y + eps <= (1 + 4 * wd) * T.
Proof.
generalize small Y_pos (three t1 t2 t3 B1 B2 B3). intros [_ K] PY [L1 L2].
assert (Z0 : Rabs 0 <= wd) by (rewrite Rabs_R0; lra).
generalize (three 0 0 t3 Z0 Z0 B3). rewrite Rplus_0_r, 2!Rmult_1_l. intros [L3 L4].
set (Z := Y + eps).
assert (PZ : 0 <= Z) by (unfold Z; lra).
assert (G3 : (1 - 3 * wd) * Z <= T).
{ rewrite HT. unfold Z. replace ((Y * (1 + t1) * (1 + t2) + eps) * (1 + t3))
    with (Y * ((1 + t1) * (1 + t2) * (1 + t3)) + eps * (1 + t3)) by ring.
  replace ((1 - 3 * wd) * (Y + eps)) with (Y * (1 - 3 * wd) + eps * (1 - 3 * wd)) by ring.
  apply Rplus_le_compat; apply Rmult_le_compat_l; lra. }
assert (G4 : T <= (1 + 3001 / 1000 * wd) * Z).
{ rewrite HT. unfold Z. replace ((Y * (1 + t1) * (1 + t2) + eps) * (1 + t3))
    with (Y * ((1 + t1) * (1 + t2) * (1 + t3)) + eps * (1 + t3)) by ring.
  replace ((1 + 3001 / 1000 * wd) * (Y + eps))
    with (Y * (1 + 3001 / 1000 * wd) + eps * (1 + 3001 / 1000 * wd)) by ring.
  apply Rplus_le_compat; apply Rmult_le_compat_l; lra. }
assert (G5 : Z <= (1 + 3001 / 1000 * wd) * T).
{ apply Rmult_le_reg_l with (1 - 3 * wd); [lra|]. eapply Rle_trans; [exact G3|].
  assert (1 <= (1 - 3 * wd) * (1 + 3001 / 1000 * wd)) by (clear - K; nra).
  rewrite <- Rmult_assoc. rewrite <- (Rmult_1_l T) at 1. apply Rmult_le_compat_r; lra. }
assert (PT : 0 <= wd * T) by (apply Rmult_le_pos; lra).
split; [|lra]. apply Rabs_le.
assert (W : 3001 / 1000 * wd * (1 + 3001 / 1000 * wd) <= 301 / 100 * wd) by (clear - K; nra).
assert (3001 / 1000 * wd * Z <= 3001 / 1000 * wd * ((1 + 3001 / 1000 * wd) * T))
  by (apply Rmult_le_compat_l; lra).
assert (3001 / 1000 * wd * (1 + 3001 / 1000 * wd) * T <= 301 / 100 * wd * T)
  by (apply Rmult_le_compat_r; lra).
lra.
Qed.

Lemma s2_T : s2 + eps <= (3 / 2 + 12 * wd) * T.
Proof.
generalize small s1_T. intros [_ K] S. destruct T_Y as [_ HYT]. apply abs_le in HX.
assert (X <= Y) by (rewrite HY; apply Rmax_r).
assert (0 <= s1 ^ 2) by apply pow2_ge_0.
assert (W : 2 * wd + wd ^ 2 <= 3 * wd /\ 3 * wd * (1 / 2 + 2 * wd) <= 2 * wd) by (clear - K; nra).
assert ((2 * wd + wd ^ 2) * s1 ^ 2 <= 3 * wd * s1 ^ 2) by (apply Rmult_le_compat_r; lra).
assert (3 * wd * s1 ^ 2 <= 3 * wd * ((1 / 2 + 2 * wd) * T)) by (apply Rmult_le_compat_l; lra).
assert (3 * wd * (1 / 2 + 2 * wd) * T <= 2 * wd * T) by (apply Rmult_le_compat_r; lra).
assert (0 <= wd * T) by (apply Rmult_le_pos; lra).
lra.
Qed.

Lemma Qh_T : 0 <= Qh <= (3 / 2 + 40 * u) * T.
Proof.
generalize small s2_T. intros K S. apply abs_le in H2.
assert (P : 0 <= Qh) by (generalize (pow2_ge_0 Ah); lra).
split; [exact P|].
assert (e2 * Qh <= 16 * u * Qh) by (apply Rmult_le_compat_r; lra).
assert ((3 / 2 + 12 * wd) * T <= (3 / 2 + 12 * u) * T) by (apply Rmult_le_compat_r; lra).
apply Rmult_le_reg_r with (1 - 16 * u); [lra|].
apply Rle_trans with ((3 / 2 + 12 * u) * T); lra.
Qed.

Lemma Q_T : 0 <= Q <= (3 / 2 + 46 * u) * T.
Proof.
generalize Qh_T. intros [P H]. split; [lra|].
eapply Rle_trans; [exact HQ|].
apply Rle_trans with ((3 / 2 + 40 * u) * T * (1 + 3 * u)); [apply Rmult_le_compat_r|]; lra.
Qed.

Lemma s2_error : Rabs (s2 - Qh) <= 150001 / 100000 * e2 * T.
Proof.
generalize small Qh_T. intros K [P H]. eapply Rle_trans; [exact H2|].
assert (0 <= u * T) by (apply Rmult_le_pos; lra).
assert (e2 * Qh <= e2 * ((3 / 2 + 40 * u) * T)) by (apply Rmult_le_compat_l; lra).
assert (e2 * ((3 / 2 + 40 * u) * T) <= e2 * (150001 / 100000 * T))
  by (apply Rmult_le_compat_l; lra).
lra.
Qed.

Lemma s1_Ah : Rabs s1 * Ah <= 86603 / 100000 * T.
Proof.
generalize small s1_T Qh_T. intros [_ K] S [P H].
apply mul_sqr_le with (a := (1 / 2 + 2 * wd) * T) (b := (3 / 2 + 40 * u) * T);
  try apply Rabs_pos; try lra.
- now rewrite pow2_abs.
- replace ((86603 / 100000 * T) ^ 2) with ((86603 / 100000) ^ 2 * (T * T)) by ring.
  replace ((1 / 2 + 2 * wd) * T * ((3 / 2 + 40 * u) * T))
    with ((1 / 2 + 2 * wd) * (3 / 2 + 40 * u) * (T * T)) by ring.
  apply Rmult_le_compat_r; [apply Rmult_le_pos; lra|]. clear - K. nra.
Qed.

Lemma s1_error : Rabs (s1 ^ 2 - Dh ^ 2) <= 17321 / 10000 * e1 * T.
Proof.
generalize small s1_Ah Qh_T. intros K S [P H].
replace (s1 ^ 2 - Dh ^ 2) with ((s1 - Dh) * (2 * s1 - (s1 - Dh))) by ring.
rewrite Rabs_mult.
assert (B : Rabs (2 * s1 - (s1 - Dh)) <= 2 * Rabs s1 + e1 * Ah).
{ eapply Rle_trans; [apply Rabs_triang|].
  rewrite Rabs_Ropp, Rabs_mult, (Rabs_right 2) by lra. lra. }
eapply Rle_trans; [apply Rmult_le_compat; [apply Rabs_pos | apply Rabs_pos | exact H1 | exact B]|].
replace (e1 * Ah * (2 * Rabs s1 + e1 * Ah)) with (e1 * (2 * (Rabs s1 * Ah) + e1 * Ah ^ 2)) by ring.
replace (17321 / 10000 * e1 * T) with (e1 * (17321 / 10000 * T)) by ring.
apply Rmult_le_compat_l; [lra|].
assert (e1 * Ah ^ 2 <= 1 / 1000000 * (2 * T)) by (apply Rmult_le_compat; try apply pow2_ge_0; lra).
lra.
Qed.

Lemma X_error : Rabs (X - V) <=
  (150001 / 100000 * e2 + 17321 / 10000 * e1 + 101 / 100 * wd + 2 * k ^ 2) * T + 2 * k * r.
Proof.
generalize small s1_error s2_error s1_T Q_T. intros K E1 E2 S [P H].
replace (X - V) with ((X - (s2 - s1 ^ 2)) + (s2 - Qh) - (s1 ^ 2 - Dh ^ 2) + (Qh - Dh ^ 2 - V))
  by ring.
apply abs_le in HX, E1, E2, H3.
assert (0 <= s1 ^ 2) by apply pow2_ge_0.
assert (G : (2 * wd + wd ^ 2) * s1 ^ 2 <= 101 / 100 * wd * T).
{ assert (W : 2 * wd + wd ^ 2 <= 2001 / 1000 * wd /\
    2001 / 1000 * wd * (1 / 2 + 2 * wd) <= 101 / 100 * wd /\ 0 <= 2 * wd + wd ^ 2)
    by (destruct K as [_ K]; clear - K; nra).
  assert ((2 * wd + wd ^ 2) * s1 ^ 2 <= 2001 / 1000 * wd * ((1 / 2 + 2 * wd) * T))
    by (apply Rmult_le_compat; lra).
  assert (2001 / 1000 * wd * (1 / 2 + 2 * wd) * T <= 101 / 100 * wd * T)
    by (apply Rmult_le_compat_r; lra).
  lra. }
assert (0 <= u * T) by (apply Rmult_le_pos; lra).
assert (k ^ 2 * Q <= k ^ 2 * (2 * T)) by (apply Rmult_le_compat_l; [apply pow2_ge_0 | lra]).
apply Rabs_le. lra.
Qed.

Lemma Y_error : Rabs (Y - V) <= Rabs (X - V).
Proof.
rewrite HY. unfold Rmax. destruct (Rle_dec 0 X); [lra|].
unfold Rabs. destruct (Rcase_abs (0 - V)), (Rcase_abs (X - V)); lra.
Qed.

Lemma r_T : r <= 122475 / 100000 * T.
Proof.
generalize small Q_T X_error Y_error. intros K [PQ HQT] EX EY. destruct T_Y as [_ HYT].
assert (R1 : r <= 2 * T).
{ apply sqr_le; [lra|]. eapply Rle_trans; [exact HrV|].
  assert (u * T <= 1 / 1000000 * T) by (apply Rmult_le_compat_r; lra).
  assert (V * Q <= 2 * T * (2 * T)) by (apply Rmult_le_compat; lra). lra. }
assert (VT : V <= (1 + 65 * u) * T).
{ assert (Rabs (Y - V) <= 60 * u * T).
  { eapply Rle_trans; [exact EY|]. eapply Rle_trans; [exact EX|].
    assert (2 * k * r <= 2 * u * (2 * T)) by (apply Rmult_le_compat; lra).
    assert ((150001 / 100000 * e2 + 17321 / 10000 * e1 + 101 / 100 * wd + 2 * k ^ 2) * T <=
            55 * u * T) by (apply Rmult_le_compat_r; [lra|]; destruct K as [K _];
                            clear - K He1 He2 Hwd; nra).
    assert (0 <= u * T) by (apply Rmult_le_pos; lra). lra. }
  apply abs_le in H. assert (0 <= u * T) by (apply Rmult_le_pos; lra).
  assert (wd * T <= u * T) by (apply Rmult_le_compat_r; lra). lra. }
apply sqr_le; [lra|]. eapply Rle_trans; [exact HrV|].
assert (V * Q <= (1 + 65 * u) * T * ((3 / 2 + 46 * u) * T)) by (apply Rmult_le_compat; lra).
eapply Rle_trans; [exact H|].
replace ((1 + 65 * u) * T * ((3 / 2 + 46 * u) * T)) with ((1 + 65 * u) * (3 / 2 + 46 * u) * (T * T))
  by ring.
replace ((122475 / 100000 * T) ^ 2) with ((122475 / 100000) ^ 2 * (T * T)) by ring.
apply Rmult_le_compat_r; [apply Rmult_le_pos; lra|]. clear -K. nra.
Qed.

Definition variance_error :=
  15001 / 10000 * e2 + 17321 / 10000 * e1 + 24496 / 10000 * k + 403 / 100 * wd.

Theorem variance : Rabs (T - (V + eps)) <= variance_error * T.
Proof.
generalize small r_T X_error Y_error. intros K R EX EY. destruct T_Y as [HYT _].
replace (T - (V + eps)) with ((T - (Y + eps)) + (Y - V)) by ring.
eapply Rle_trans; [apply Rabs_triang|].
assert (2 * k * r <= 2 * k * (122475 / 100000 * T)) by (apply Rmult_le_compat_l; lra).
assert (k ^ 2 * T <= 1 / 1000000 * k * T) by (apply Rmult_le_compat_r; [lra | clear -K; nra]).
assert (0 <= e2 * T) by (apply Rmult_le_pos; lra).
assert (0 <= wd * T) by (apply Rmult_le_pos; lra).
assert (0 <= k * T) by (apply Rmult_le_pos; lra).
unfold variance_error. lra.
Qed.

Unset Default Proof Using.
End Variance.

(* ---- From the variance to rstd --------------------------------------------------------------- *)

Lemma sqrt_ratio : forall c x, 0 <= c <= 1 / 100000 -> 0 <= x -> Rabs (x ^ 2 - 1) <= c ->
  Rabs (x - 1) <= c * (5001 / 10000).
Proof.
intros c x Hc Hx H. apply abs_le in H. apply Rabs_le. split.
- destruct (Rle_or_lt (1 - c * (5001 / 10000)) x) as [P | P]; [lra|]. exfalso.
  assert (x ^ 2 < (1 - c * (5001 / 10000)) ^ 2) by nra.
  assert (c * c <= c / 100000) by nra. nra.
- destruct (Rle_or_lt x (1 + c * (5001 / 10000))) as [P | P]; [lra|]. exfalso.
  assert ((1 + c * (5001 / 10000)) ^ 2 < x ^ 2) by nra. nra.
Qed.

(* T is var + eps as it is computed, S the exact one. *)
Lemma rstd_error : forall c T S, 0 <= c <= 1 / 100000 -> 0 < T -> Rabs (T - S) <= c * T ->
  0 < S /\ exists rho, Rabs rho <= c * (5002 / 10000) + 201 / 100 * w /\
  rnd Double (1 / rnd Double (sqrt T)) = 1 / sqrt S * (1 + rho).
Proof.
intros c T S Hc HT H. apply abs_le in H.
assert (PS : 0 < S) by nra. split; [exact PS|].
generalize (sqrt_lt_R0 T HT) (sqrt_lt_R0 S PS). intros QT QS.
destruct (rnd_ex Double (sqrt T)) as [a [Ba Ea]].
destruct (rnd_ex Double (1 / rnd Double (sqrt T))) as [b [Bb Eb]].
simpl unit in Ba, Bb. apply abs_le in Ba, Bb.
set (x := sqrt S / sqrt T).
assert (Px : 0 <= x) by (apply Rlt_le, Rdiv_lt_0_compat; assumption).
assert (Hx : Rabs (x - 1) <= c * (5001 / 10000)).
{ apply sqrt_ratio; [exact Hc | exact Px |].
  assert (E : x ^ 2 = S / T).
  { unfold x. replace ((sqrt S / sqrt T) ^ 2) with ((sqrt S * sqrt S) / (sqrt T * sqrt T))
      by (field; lra). now rewrite !sqrt_sqrt by lra. }
  rewrite E. replace (S / T - 1) with ((S - T) * / T) by (field; lra).
  rewrite Rabs_mult, (Rabs_right (/ T)) by (apply Rle_ge, Rlt_le, Rinv_0_lt_compat, HT).
  apply Rmult_le_reg_r with T; [exact HT|]. rewrite Rmult_assoc, Rinv_l by lra.
  rewrite Rmult_1_r. apply Rabs_le. lra. }
exists (x * ((1 + b) / (1 + a)) - 1). split.
- apply abs_le in Hx. set (y := (1 + b) / (1 + a)).
  assert (Hy : Rabs (y - 1) <= 2001 / 1000 * w).
  { unfold y. replace ((1 + b) / (1 + a) - 1) with ((b - a) * / (1 + a)) by (field; lra).
    rewrite Rabs_mult.
    assert (Rabs (b - a) <= 2 * w) by (apply Rabs_le; lra).
    assert (Rabs (/ (1 + a)) <= 20001 / 20000).
    { rewrite Rabs_right by (apply Rle_ge, Rlt_le, Rinv_0_lt_compat; lra).
      apply Rmult_le_reg_r with (1 + a); [lra|]. rewrite Rinv_l by lra. lra. }
    replace (2001 / 1000 * w) with (2 * w * (2001 / 2000)) by lra.
    apply Rmult_le_compat; try apply Rabs_pos; lra. }
  apply abs_le in Hy. replace (x * y - 1) with ((x - 1) + x * (y - 1)) by ring.
  eapply Rle_trans; [apply Rabs_triang|].
  assert (Rabs (x - 1) <= c * (5001 / 10000)) by (apply Rabs_le; lra).
  assert (Rabs (x * (y - 1)) <= 100001 / 100000 * (2001 / 1000 * w)).
  { rewrite Rabs_mult. apply Rmult_le_compat; try apply Rabs_pos; apply Rabs_le; lra. }
  lra.
- rewrite Eb, Ea. unfold x. field. repeat split; lra.
Qed.

(* ---- A list ---------------------------------------------------------------------------------- *)

(* S is computed from what f computes for each value; whatever these errors are, its own multiply
   them by g at most. *)
Definition summed (L : tree R) (g : R) (f : R -> R) (S : R) : Prop :=
  forall x a k, 0 <= k ->
  every (fun v => Rabs (f v - x v) <= k * a v /\ Rabs (x v) <= a v) L ->
  Rabs (S - sum x L) <= ((1 + k) * g - 1) * sum a L.

Lemma three_w : forall a b c, Rabs a <= w -> Rabs b <= w -> Rabs c <= w ->
  - (301 / 100 * w) <= (1 + a) * (1 + b) * (1 + c) - 1 <= 301 / 100 * w.
Proof.
intros a b c Ha Hb Hc. apply abs_le in Ha, Hb, Hc.
assert (P : 1 - 2 * w <= (1 + a) * (1 + b) <= 1 + 20001 / 10000 * w) by (clear - Ha Hb; nra).
assert ((1 - 2 * w) * (1 - w) <= (1 + a) * (1 + b) * (1 + c)) by (apply Rmult_le_compat; lra).
assert ((1 + a) * (1 + b) * (1 + c) <= (1 + 20001 / 10000 * w) * (1 + w))
  by (apply Rmult_le_compat; lra).
lra.
Qed.

(* As the code computes them from the sums S1 and S2 of m values around K. *)
Section Formulas.
Variables S1 S2 m K eps : R.
Definition f_dm := rnd Double (S1 / m).
Definition f_m2 := Rmax 0 (rnd Double (S2 - rnd Double (S1 * f_dm))).
Definition f_var_eps := rnd Double (rnd Double (f_m2 / m) + eps).
Definition f_mean := rnd Double (K + f_dm).
Definition f_rstd := rnd Double (1 / rnd Double (sqrt f_var_eps)).
Definition f_accepted := rnd Double (f_dm * f_dm) <= f_var_eps * accept.
End Formulas.

Section Exact.
Variable L : tree R.
Definition x_mean := sum (fun v => v) L / size L.
Definition x_var := sum (fun v => (v - x_mean) ^ 2) L / size L.
End Exact.

Section List.
Variable t : type.
Variables (L : tree R) (K eps g S1 S2 : R).
Let k := unit t.
Let m := size L.
Let d v := rnd t (v - K).
Hypothesis Hm : 0 < m.
Hypothesis Heps : 0 <= eps.
Hypothesis Hg : 1 <= g <= 1 + 14 * u.
Hypothesis HS1 : summed L g d S1.
Hypothesis HS2 : summed L g (fun v => rnd t (d v * d v)) S2.

Let s1 := S1 / m.
Let s2 := S2 / m.
Let Dh := sum d L / m.
Let Qh := sum (fun v => d v ^ 2) L / m.
Let Ah := sum (fun v => Rabs (d v)) L / m.
Let D := sum (fun v => v - K) L / m.
Let Q := sum (fun v => (v - K) ^ 2) L / m.
Let V := x_var L.

Lemma k_small : 0 < k <= u.
Proof. unfold k. split; [apply unit_pos | apply unit_small]. Qed.

Lemma over_m : forall x y, x <= y * m -> x / m <= y.
Proof.
intros x y H. apply Rmult_le_reg_r with m; [exact Hm|].
unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

Lemma abs_over_m : forall x y a b, Rabs (x - y) <= a * b -> Rabs (x / m - y / m) <= a * (b / m).
Proof.
intros x y a b H. replace (x / m - y / m) with ((x - y) * / m) by (field; lra).
rewrite Rabs_mult, (Rabs_right (/ m)) by (apply Rle_ge, Rlt_le, Rinv_0_lt_compat, Hm).
replace (a * (b / m)) with (a * b * / m) by (field; lra).
apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Hm | exact H].
Qed.

Lemma s1_Dh : Rabs (s1 - Dh) <= (g - 1) * Ah.
Proof.
apply abs_over_m. replace (g - 1) with ((1 + 0) * g - 1) by ring. apply HS1; [lra|].
apply every_all. intros v. rewrite Rminus_diag_eq, Rabs_R0 by reflexivity. lra.
Qed.

Lemma s2_Qh : Rabs (s2 - Qh) <= ((1 + k) * g - 1) * Qh.
Proof.
apply abs_over_m. apply HS2; [generalize k_small; lra|].
apply every_all. intros v. replace (d v ^ 2) with (d v * d v) by ring. split.
- eapply Rle_trans; [apply rnd_error|]. fold k. rewrite (Rabs_right (d v * d v)) by nra. lra.
- rewrite Rabs_right by nra. lra.
Qed.

Lemma s1_D : Rabs (s1 - D) <= ((1 + k) * g - 1) * (sum (fun v => Rabs (v - K)) L / m).
Proof.
apply abs_over_m. apply HS1; [generalize k_small; lra|].
apply every_all. intros v. split; [apply rnd_error | lra].
Qed.

Lemma square_mean : forall f, (sum (fun v => Rabs (f v)) L / m) ^ 2 <= sum (fun v => f v ^ 2) L / m.
Proof.
intros f. generalize (cauchy_schwarz_1 R f L). fold m. intros H.
replace ((sum (fun v => Rabs (f v)) L / m) ^ 2)
  with (sum (fun v => Rabs (f v)) L ^ 2 / m / m) by (field; lra).
apply over_m, over_m.
replace (sum (fun v => f v ^ 2) L / m * m * m) with (m * sum (fun v => f v ^ 2) L) by (field; lra).
exact H.
Qed.

Lemma abs_mean_pos : forall f, 0 <= sum (fun v => Rabs (f v)) L / m.
Proof.
intros f. apply Rmult_le_pos; [|apply Rlt_le, Rinv_0_lt_compat, Hm].
apply sum_pos, every_all. intros v. apply Rabs_pos.
Qed.

Lemma square_mean_pos : forall f, 0 <= sum (fun v => f v ^ 2) L / m.
Proof.
intros f. apply Rmult_le_pos; [apply sum_square_pos | apply Rlt_le, Rinv_0_lt_compat, Hm].
Qed.

Lemma D_mean : D = x_mean L - K.
Proof. unfold D, x_mean. rewrite sum_minus, sum_const. fold m. field. lra. Qed.

(* Of any f and constant: the second moment around f's own mean. *)
Lemma shift : forall f a, sum (fun v => (f v - a) ^ 2) L =
  sum (fun v => f v ^ 2) L - 2 * a * sum f L + a ^ 2 * m.
Proof.
intros f a. unfold m. rewrite <- sum_const, <- sum_scal, <- sum_minus, <- sum_plus.
apply sum_ext, every_all. intros v. ring.
Qed.

Lemma V_Q : V = Q - D ^ 2.
Proof.
unfold V, x_var. fold m.
replace (sum (fun v => (v - x_mean L) ^ 2) L) with (sum (fun v => (v - K - D) ^ 2) L).
- rewrite (shift (fun v => v - K) D). unfold Q, D. field. lra.
- apply sum_ext, every_all. intros v. rewrite D_mean. ring.
Qed.

Lemma V_pos : 0 <= V.
Proof. exact (square_mean_pos (fun v => v - x_mean L)). Qed.

Lemma d_K : forall v, exists e, Rabs e <= k /\ d v = (v - K) * (1 + e).
Proof. intros v. exact (rnd_ex t (v - K)). Qed.

Lemma Q_Qh : Q <= Qh * (1 + 3 * u).
Proof.
apply over_m. unfold Qh.
replace (sum (fun v => d v ^ 2) L / m * (1 + 3 * u) * m)
  with ((1 + 3 * u) * sum (fun v => d v ^ 2) L) by (field; lra).
rewrite <- sum_scal. apply sum_le, every_all. intros v.
destruct (d_K v) as [e [B E]]. rewrite E. apply abs_le in B.
generalize k_small. intros S.
assert (1 <= (1 + 3 * u) * (1 + e) ^ 2) by nra.
replace ((1 + 3 * u) * ((v - K) * (1 + e)) ^ 2)
  with ((1 + 3 * u) * (1 + e) ^ 2 * (v - K) ^ 2) by ring.
generalize (pow2_ge_0 (v - K)). nra.
Qed.

(* What the rounding of the differences does to the variance: their own moves are h. *)
Let h v := d v - (v - K).

Lemma h_Q : sum (fun v => h v ^ 2) L / m <= k ^ 2 * Q.
Proof.
apply over_m. unfold Q. replace (k ^ 2 * (sum (fun v => (v - K) ^ 2) L / m) * m)
  with (k ^ 2 * sum (fun v => (v - K) ^ 2) L) by (field; lra).
rewrite <- sum_scal. apply sum_le, every_all. intros v.
replace (k ^ 2 * (v - K) ^ 2) with ((k * (v - K)) ^ 2) by ring.
rewrite <- (pow2_abs (h v)), <- (pow2_abs (k * (v - K))).
apply pow_incr. split; [apply Rabs_pos|].
unfold h. eapply Rle_trans; [apply rnd_error|]. fold k.
rewrite Rabs_mult, (Rabs_right k) by (generalize k_small; lra). lra.
Qed.

Lemma V_hat : Rabs (Qh - Dh ^ 2 - V) <= 2 * k * sqrt (V * Q) + k ^ 2 * Q.
Proof.
set (C := sum (fun v => (v - x_mean L) * h v) L / m).
set (E := sum h L / m). set (W := sum (fun v => h v ^ 2) L / m).
assert (EQ : Qh - Dh ^ 2 - V = 2 * C + (W - E ^ 2)).
{ rewrite V_Q.
  assert (Dh = D + E).
  { unfold Dh, D, E. replace (sum d L) with (sum (fun v => (v - K) + h v) L).
    - rewrite sum_plus. field. lra.
    - apply sum_ext, every_all. intros v. unfold h. ring. }
  assert (Qh = Q + 2 * (sum (fun v => (v - K) * h v) L / m) + W).
  { unfold Qh, Q, W. replace (sum (fun v => d v ^ 2) L) with
      (sum (fun v => ((v - K) ^ 2 + 2 * ((v - K) * h v)) + h v ^ 2) L).
    - rewrite 2!sum_plus, sum_scal. field. lra.
    - apply sum_ext, every_all. intros v. unfold h. ring. }
  assert (C = sum (fun v => (v - K) * h v) L / m - D * E).
  { unfold C. replace (sum (fun v => (v - x_mean L) * h v) L) with
      (sum (fun v => (v - K) * h v - D * h v) L).
    - rewrite sum_minus, sum_scal. unfold E. field. lra.
    - apply sum_ext, every_all. intros v. rewrite D_mean. ring. }
  rewrite H, H0, H1. ring. }
assert (PW : 0 <= W) by apply square_mean_pos.
assert (PQ : 0 <= Q) by exact (square_mean_pos (fun v => v - K)).
assert (WE : 0 <= E ^ 2 <= W).
{ split; [apply pow2_ge_0|]. unfold E, W.
  eapply Rle_trans; [|exact (square_mean h)]. rewrite <- (pow2_abs (sum h L / m)).
  apply pow_incr. split; [apply Rabs_pos|].
  unfold Rdiv.
  rewrite Rabs_mult, (Rabs_right (/ m)) by (apply Rle_ge, Rlt_le, Rinv_0_lt_compat, Hm).
  apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Hm|].
  apply sum_abs, every_all. intros v. lra. }
assert (HC : Rabs C <= k * sqrt (V * Q)).
{ generalize k_small. intros S.
  apply sqr_le; [apply Rmult_le_pos; [lra | apply sqrt_pos]|]. rewrite pow2_abs.
  replace ((k * sqrt (V * Q)) ^ 2) with (k ^ 2 * (sqrt (V * Q) * sqrt (V * Q))) by ring.
  rewrite sqrt_sqrt by (apply Rmult_le_pos; [apply V_pos | exact PQ]).
  apply Rle_trans with (V * W).
  - unfold C, V, x_var, W. fold m.
    replace ((sum (fun v => (v - x_mean L) * h v) L / m) ^ 2) with
      (sum (fun v => (v - x_mean L) * h v) L ^ 2 / m / m) by (field; lra).
    apply over_m, over_m.
    eapply Rle_trans; [apply (cauchy_schwarz R (fun v => v - x_mean L) h L)|].
    right. field. lra.
  - generalize h_Q V_pos. fold W. intros. replace (k ^ 2 * (V * Q)) with (V * (k ^ 2 * Q)) by ring.
    now apply Rmult_le_compat_l. }
rewrite EQ. generalize h_Q. fold W. intros HW. apply abs_le in HC. apply Rabs_le. lra.
Qed.

Let T := f_var_eps S1 S2 m eps.

(* What the formulas compute, by their roundings. *)
Lemma formulas : exists X t1 t2 t3, Rabs t1 <= w /\ Rabs t2 <= w /\ Rabs t3 <= w /\
  T = (Rmax 0 X * (1 + t1) * (1 + t2) + eps) * (1 + t3) /\
  Rabs (X - (s2 - s1 ^ 2)) <= (2 * w + w ^ 2) * s1 ^ 2 /\
  (f_accepted S1 S2 m eps -> s1 ^ 2 * (1 - w) ^ 3 <= accept * T).
Proof.
unfold f_accepted. fold T.
assert (ET : T = rnd Double (rnd Double (f_m2 S1 S2 m / m) + eps)) by reflexivity.
revert ET. unfold f_m2, f_dm.
destruct (rnd_ex Double (S1 / m)) as [a [Ba Ea]]. rewrite Ea.
destruct (rnd_ex Double (S1 * (S1 / m * (1 + a)))) as [b [Bb Eb]]. rewrite Eb.
set (p := S1 * (S1 / m * (1 + a)) * (1 + b)).
destruct (rnd_ex Double (S2 - p)) as [t1 [B1 E1]]. rewrite E1.
destruct (rnd_ex Double (Rmax 0 ((S2 - p) * (1 + t1)) / m)) as [t2 [B2 E2]]. rewrite E2.
destruct (rnd_ex Double (Rmax 0 ((S2 - p) * (1 + t1)) / m * (1 + t2) + eps)) as [t3 [B3 E3]].
rewrite E3.
destruct (rnd_ex Double (S1 / m * (1 + a) * (S1 / m * (1 + a)))) as [c [Bc Ec]]. rewrite Ec.
fold s1. simpl unit in *. intros ET.
set (X := (S2 - p) / m).
assert (EM : Rmax 0 ((S2 - p) * (1 + t1)) / m = Rmax 0 X * (1 + t1)).
{ apply abs_le in B1. unfold X. replace ((S2 - p) * (1 + t1)) with ((S2 - p) / m * (m * (1 + t1)))
    by (field; lra).
  unfold Rmax. assert (0 < m * (1 + t1)) by (apply Rmult_lt_0_compat; lra).
  destruct (Rle_dec 0 ((S2 - p) / m * (m * (1 + t1)))) as [P | P],
    (Rle_dec 0 ((S2 - p) / m)) as [P' | P'].
  - field. lra.
  - exfalso. apply P'. apply Rmult_le_reg_r with (m * (1 + t1)); [assumption | lra].
  - exfalso. apply P. apply Rmult_le_pos; lra.
  - field. lra. }
rewrite EM in ET.
assert (HX : Rabs (X - (s2 - s1 ^ 2)) <= (2 * w + w ^ 2) * s1 ^ 2).
{ unfold X, p. fold s1. replace ((S2 - S1 * (s1 * (1 + a)) * (1 + b)) / m - (s2 - s1 ^ 2))
    with ((- (a + b + a * b)) * s1 ^ 2) by (unfold s1, s2; field; lra).
  rewrite Rabs_mult, (Rabs_right (s1 ^ 2)) by (apply Rle_ge, pow2_ge_0).
  apply Rmult_le_compat_r; [apply pow2_ge_0|]. rewrite Rabs_Ropp.
  eapply Rle_trans; [apply Rabs_triang|].
  assert (Rabs (a * b) <= w ^ 2)
    by (rewrite Rabs_mult; replace (w ^ 2) with (w * w) by ring;
        apply Rmult_le_compat; try apply Rabs_pos; assumption).
  assert (Rabs (a + b) <= 2 * w) by (eapply Rle_trans; [apply Rabs_triang | lra]). lra. }
exists X, t1, t2, t3. repeat (split; [assumption|]). intros HA.
apply Rle_trans with (s1 * (1 + a) * (s1 * (1 + a)) * (1 + c)); [|lra].
replace (s1 * (1 + a) * (s1 * (1 + a)) * (1 + c)) with (s1 ^ 2 * ((1 + a) ^ 2 * (1 + c))) by ring.
apply Rmult_le_compat_l; [apply pow2_ge_0|]. apply abs_le in Ba, Bc.
replace ((1 - w) ^ 3) with ((1 - w) ^ 2 * (1 - w)) by ring.
apply Rmult_le_compat; try apply pow2_ge_0; try lra. apply pow_incr. lra.
Qed.

Let e1 := g - 1.
Let e2 := (1 + k) * g - 1.

Lemma e_small : 0 <= e1 <= 16 * u /\ 0 <= e2 <= 16 * u.
Proof. generalize k_small. unfold e1, e2. intros S. split; [lra | nra]. Qed.

Lemma w_u : 0 <= w <= u.
Proof. lra. Qed.

Hypothesis HT : 0 < T.

(* ---- Accepted ---- *)

Section Accepted.
Hypothesis Hacc : f_accepted S1 S2 m eps.

Lemma moments : Rabs (T - (V + eps)) <= variance_error k e1 e2 w * T /\
  Q <= (3 / 2 + 46 * u) * T /\ s1 ^ 2 <= (1 / 2 + 2 * w) * T.
Proof.
destruct e_small as [S1e S2e]. generalize w_u k_small. intros Hw Hk.
destruct formulas as [X [t1 [t2 [t3 [B1 [B2 [B3 [ET [HX HA]]]]]]]]].
assert (HA' := HA Hacc).
assert (HV : 0 <= V <= Q) by (split; [apply V_pos | rewrite V_Q; generalize (pow2_ge_0 D); lra]).
assert (HR : sqrt (V * Q) ^ 2 <= V * Q).
{ replace (sqrt (V * Q) ^ 2) with (sqrt (V * Q) * sqrt (V * Q)) by ring.
  rewrite sqrt_sqrt; [lra | apply Rmult_le_pos; lra]. }
assert (HAQ : Ah ^ 2 <= Qh) by apply square_mean.
assert (PA : 0 <= Ah) by apply abs_mean_pos.
generalize s1_Dh s2_Qh Q_Qh V_hat (sqrt_pos (V * Q)). fold e1 e2. intros F1 F2 F3 F4 F5.
split; [|split]; [apply variance with (e1 := e1) (e2 := e2) (wd := w) (s1 := s1) (s2 := s2)
    (Dh := Dh) (Qh := Qh) (Ah := Ah) (Q := Q) (X := X) (Y := Rmax 0 X) (t1 := t1) (t2 := t2)
    (t3 := t3) (r := sqrt (V * Q))
  | apply Q_T with (k := k) (e1 := e1) (e2 := e2) (wd := w) (s1 := s1) (s2 := s2)
    (Dh := Dh) (Qh := Qh) (Ah := Ah) (V := V) (eps := eps) (X := X) (Y := Rmax 0 X) (t1 := t1)
    (t2 := t2) (t3 := t3) (r := sqrt (V * Q))
  | apply s1_T with (k := k) (e1 := e1) (e2 := e2) (wd := w) (s2 := s2)
    (Dh := Dh) (Qh := Qh) (Ah := Ah) (Q := Q) (V := V) (eps := eps) (X := X) (Y := Rmax 0 X)
    (t1 := t1) (t2 := t2) (t3 := t3) (r := sqrt (V * Q))]; assumption || reflexivity.
Qed.

Definition rstd_limit := variance_error k e1 e2 w * (5002 / 10000) + 201 / 100 * w.
Definition mean_limit_of_list := 122476 / 100000 * e2 + 70712 / 100000 * w.

Lemma variance_small : 0 <= variance_error k e1 e2 w <= 1 / 100000.
Proof.
destruct e_small as [S1e S2e]. generalize w_u k_small. intros Hw Hk. unfold variance_error. lra.
Qed.

Theorem rstd : 0 < V + eps /\ exists rho, Rabs rho <= rstd_limit /\
  f_rstd S1 S2 m eps = 1 / sqrt (V + eps) * (1 + rho).
Proof. destruct moments as [H _]. exact (rstd_error _ T _ variance_small HT H). Qed.

Theorem mean : Rabs (K + f_dm S1 m - x_mean L) <= mean_limit_of_list * sqrt (V + eps).
Proof.
destruct moments as [HTV [HQ Hs]]. destruct rstd as [HP _].
generalize variance_small w_u k_small. destruct e_small as [S1e S2e]. intros Hv Hw Hk.
apply abs_le in HTV. set (c := variance_error k e1 e2 w) in *.
assert (Hc : c <= 80 * u) by (unfold c, variance_error; lra).
set (S := V + eps) in *. set (q := sqrt S).
assert (Pq : 0 < q) by (apply sqrt_lt_R0; exact HP).
assert (Eq : q * q = S) by (apply sqrt_sqrt; lra).
assert (TS : T <= (1 + 81 * u) * S).
{ apply Rmult_le_reg_l with (1 - c); [lra|]. apply Rle_trans with S; [lra|].
  assert (1 <= (1 - c) * (1 + 81 * u)) by nra.
  replace ((1 - c) * ((1 + 81 * u) * S)) with ((1 - c) * (1 + 81 * u) * S) by ring. nra. }
set (A := sum (fun v => Rabs (v - K)) L / m).
assert (HA : A <= 122476 / 100000 * q).
{ apply sqr_le; [lra|]. eapply Rle_trans; [exact (square_mean (fun v => v - K))|].
  fold Q. eapply Rle_trans; [exact HQ|].
  apply Rle_trans with ((3 / 2 + 46 * u) * ((1 + 81 * u) * S)); [apply Rmult_le_compat_l; lra|].
  replace ((122476 / 100000 * q) ^ 2) with ((122476 / 100000) ^ 2 * S) by (rewrite <- Eq; ring).
  rewrite <- Rmult_assoc. apply Rmult_le_compat_r; [lra|]. lra. }
assert (Hs1 : Rabs s1 <= 70712 / 100000 * q).
{ apply sqr_le; [lra|]. rewrite pow2_abs. eapply Rle_trans; [exact Hs|].
  apply Rle_trans with ((1 / 2 + 2 * w) * ((1 + 81 * u) * S)); [apply Rmult_le_compat_l; lra|].
  replace ((70712 / 100000 * q) ^ 2) with ((70712 / 100000) ^ 2 * S) by (rewrite <- Eq; ring).
  rewrite <- Rmult_assoc. apply Rmult_le_compat_r; [lra|]. lra. }
unfold f_dm. fold s1. destruct (rnd_ex Double s1) as [a [Ba Ea]]. rewrite Ea. simpl unit in Ba.
replace (K + s1 * (1 + a) - x_mean L) with ((s1 - D) + s1 * a) by (rewrite D_mean; ring).
eapply Rle_trans; [apply Rabs_triang|]. generalize s1_D. fold e2 A. intros HD.
assert (e2 * A <= e2 * (122476 / 100000 * q)) by (apply Rmult_le_compat_l; lra).
assert (Rabs (s1 * a) <= 70712 / 100000 * q * w)
  by (rewrite Rabs_mult; apply Rmult_le_compat; try apply Rabs_pos; assumption).
unfold mean_limit_of_list. fold q. lra.
Qed.

End Accepted.

(* The pilot is one of the values. *)
Definition among := 1 <= sum (fun v => if Req_EM_T v K then 1 else 0) L.

Lemma near : among -> 1 <= m -> (K - x_mean L) ^ 2 <= (m - 1) * V.
Proof.
intros HK Hm1. set (i v := if Req_EM_T v K then 1 else 0). set (c := sum i L).
assert (C1 : 1 <= c) by exact HK. set (M := x_mean L).
assert (EM : sum (fun v => v - M) L = 0).
{ rewrite sum_minus, sum_const. fold m. unfold M, x_mean. fold m. field. lra. }
assert (EC : c * (K - M) = sum (fun v => (v - M) * (i v - c / m)) L).
{ transitivity (sum (fun v => i v * (K - M) - c / m * (v - M)) L).
  - rewrite sum_minus, sum_scal, EM.
    transitivity (sum (fun v => (K - M) * i v) L); [rewrite sum_scal; unfold c; ring|].
    rewrite Rmult_0_r, Rminus_0_r. apply sum_ext, every_all. intros. ring.
  - apply sum_ext, every_all. intros v. unfold i. destruct (Req_EM_T v K) as [-> | _]; ring. }
assert (EI : sum (fun v => (i v - c / m) ^ 2) L = c - c ^ 2 / m).
{ rewrite shift. replace (sum (fun v => i v ^ 2) L) with c.
  - fold c. field. lra.
  - apply sum_ext, every_all. intros v. unfold i. destruct (Req_EM_T v K); ring. }
generalize (cauchy_schwarz R (fun v => v - M) (fun v => i v - c / m) L).
rewrite <- EC, EI. replace (sum (fun v => (v - M) ^ 2) L) with (m * V)
  by (unfold V, x_var; fold m M; field; lra).
intros H. generalize V_pos. intros PV.
apply Rmult_le_reg_l with (c ^ 2); [apply pow_lt; lra|].
apply Rle_trans with (m * V * (c - c ^ 2 / m)); [eapply Rle_trans; [|exact H]; right; ring|].
replace (m * V * (c - c ^ 2 / m)) with (V * (m * c - c ^ 2)) by (field; lra).
replace (c ^ 2 * ((m - 1) * V)) with (V * (c ^ 2 * (m - 1))) by ring.
apply Rmult_le_compat_l; [exact PV|].
assert (0 <= c * (c - 1)) by (apply Rmult_le_pos; lra).
assert (0 <= m * (c * (c - 1))) by (apply Rmult_le_pos; lra).
lra.
Qed.

(* ---- The last resort: around the first value, and nothing to accept ---- *)

Section Last.
Hypothesis Hm1 : 1 <= m.
(* With the pilot one of m values, (mean - K)^2 is at most m - 1 times the variance. *)
Hypothesis Hnear : (K - x_mean L) ^ 2 <= (m - 1) * V.
Hypothesis Hlength : m * (e2 + 2 * e1 + 5 * k) <= 801 / 100 * u.
Let S := V + eps.

Lemma last_Q : 0 <= Q <= m * S.
Proof.
split; [exact (square_mean_pos (fun v => v - K))|].
assert (Q = V + (K - x_mean L) ^ 2) by (rewrite V_Q, D_mean; ring).
assert (0 <= m * eps) by (apply Rmult_le_pos; lra). unfold S. lra.
Qed.

Lemma last_S : 0 <= S.
Proof. unfold S. generalize V_pos. lra. Qed.

Lemma Qh_Q : 0 <= Qh <= Q * (1 + 3 * u).
Proof.
split; [apply square_mean_pos|].
apply over_m. unfold Q.
replace (sum (fun v => (v - K) ^ 2) L / m * (1 + 3 * u) * m)
  with ((1 + 3 * u) * sum (fun v => (v - K) ^ 2) L) by (field; lra).
rewrite <- sum_scal. apply sum_le, every_all. intros v.
destruct (d_K v) as [e [B E]]. rewrite E. apply abs_le in B.
generalize k_small. intros Sk.
assert ((1 + e) ^ 2 <= 1 + 3 * u) by (clear - B Sk; nra).
replace (((v - K) * (1 + e)) ^ 2) with ((1 + e) ^ 2 * (v - K) ^ 2) by ring.
apply Rmult_le_compat_r; [apply pow2_ge_0 | assumption].
Qed.

Lemma last_variance : Rabs (T - S) <= 81 / 10 * u * S.
Proof.
destruct formulas as [X [t1 [t2 [t3 [B1 [B2 [B3 [ET [HX _]]]]]]]]].
destruct e_small as [S1e S2e]. destruct last_Q as [PQ LQ]. destruct Qh_Q as [PQh LQh].
generalize k_small last_S V_pos s1_Dh s2_Qh V_hat. fold e1 e2. intros Sk PS PV F1 F2 F4.
assert (PA : 0 <= Ah) by apply abs_mean_pos.
assert (HAQ : Ah ^ 2 <= Qh) by apply square_mean.
assert (DA : Rabs Dh <= Ah).
{ unfold Dh, Ah, Rdiv. rewrite Rabs_mult, (Rabs_right (/ m))
    by (apply Rle_ge, Rlt_le, Rinv_0_lt_compat, Hm).
  apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Hm|].
  apply sum_abs, every_all. intros v. lra. }
assert (F3 : Rabs (s1 ^ 2 - Dh ^ 2) <= 200001 / 100000 * e1 * Qh /\ s1 ^ 2 <= 11 / 10 * Qh).
{ assert (H : Rabs (s1 + Dh) <= 200001 / 100000 * Ah).
  { replace (s1 + Dh) with ((s1 - Dh) + 2 * Dh) by ring.
    eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult, (Rabs_right 2) by lra.
    assert (e1 * Ah <= 1 / 100000 * Ah) by (apply Rmult_le_compat_r; lra). lra. }
  split.
  - replace (s1 ^ 2 - Dh ^ 2) with ((s1 - Dh) * (s1 + Dh)) by ring. rewrite Rabs_mult.
    apply Rle_trans with (e1 * Ah * (200001 / 100000 * Ah)).
    + apply Rmult_le_compat; try apply Rabs_pos; assumption.
    + replace (e1 * Ah * (200001 / 100000 * Ah)) with (200001 / 100000 * e1 * Ah ^ 2) by ring.
      apply Rmult_le_compat_l; lra.
  - assert (Hs : Rabs s1 <= 104 / 100 * Ah).
    { replace s1 with ((s1 - Dh) + Dh) by ring. eapply Rle_trans; [apply Rabs_triang|].
      assert (e1 * Ah <= 1 / 100 * Ah) by (apply Rmult_le_compat_r; lra). lra. }
    rewrite <- (pow2_abs s1). apply Rle_trans with ((104 / 100 * Ah) ^ 2).
    + apply pow_incr. split; [apply Rabs_pos | exact Hs].
    + lra. }
destruct F3 as [F3 F5].
assert (VQ : sqrt (V * Q) <= Q).
{ apply Rle_trans with (sqrt (Q * Q)); [|rewrite sqrt_square; lra].
  apply sqrt_le_1_alt. apply Rmult_le_compat_r; [exact PQ|].
  rewrite V_Q. generalize (pow2_ge_0 D). lra. }
assert (XV : Rabs (X - V) <= 1001 / 1000 * (801 / 100 * u) * S).
{ apply Rle_trans with (1001 / 1000 * (m * (e2 + 2 * e1 + 5 * k)) * S);
    [|apply Rmult_le_compat_r; lra].
  replace (1001 / 1000 * (m * (e2 + 2 * e1 + 5 * k)) * S)
    with (1001 / 1000 * (e2 + 2 * e1 + 5 * k) * (m * S)) by ring.
  apply Rle_trans with (1001 / 1000 * (e2 + 2 * e1 + 5 * k) * Q);
    [|apply Rmult_le_compat_l; lra].
  assert (K1 : 2 * w + w ^ 2 <= 2001 / 1000 * k /\ k ^ 2 <= 1 / 1000 * k).
  { assert (w <= k) by (unfold k; destruct t; simpl; lra). clear - H Sk. nra. }
  assert (G1 : (2 * w + w ^ 2) * s1 ^ 2 <= 2001 / 1000 * k * (11 / 10 * Qh))
    by (apply Rmult_le_compat; try apply pow2_ge_0; lra).
  assert (G2 : 2 * k * sqrt (V * Q) <= 2 * k * Q) by (apply Rmult_le_compat_l; lra).
  assert (G3 : k ^ 2 * Q <= 1 / 1000 * k * Q) by (apply Rmult_le_compat_r; lra).
  assert (G4 : k * Qh <= k * (Q * (1 + 3 * u))) by (apply Rmult_le_compat_l; lra).
  assert (G5 : e1 * Qh <= e1 * (Q * (1 + 3 * u))) by (apply Rmult_le_compat_l; lra).
  assert (G6 : e2 * Qh <= e2 * (Q * (1 + 3 * u))) by (apply Rmult_le_compat_l; lra).
  assert (0 <= k * Q) by (apply Rmult_le_pos; lra).
  assert (0 <= e1 * Q) by (apply Rmult_le_pos; lra).
  assert (0 <= e2 * Q) by (apply Rmult_le_pos; lra).
  replace (X - V) with ((X - (s2 - s1 ^ 2)) + (s2 - Qh) - (s1 ^ 2 - Dh ^ 2) + (Qh - Dh ^ 2 - V))
    by ring.
  apply abs_le in HX, F2, F3, F4. apply Rabs_le. lra. }
set (Y := Rmax 0 X) in *.
assert (YV : Rabs (Y - V) <= Rabs (X - V)).
{ unfold Y, Rmax. destruct (Rle_dec 0 X); [lra|].
  unfold Rabs. destruct (Rcase_abs (0 - V)), (Rcase_abs (X - V)); lra. }
assert (YS : Rabs (Y + eps - S) <= 1001 / 1000 * (801 / 100 * u) * S)
  by (replace (Y + eps - S) with (Y - V) by (unfold S; ring); lra).
assert (PY : 0 <= Y) by apply Rmax_l.
generalize (three_w t1 t2 t3 B1 B2 B3). intros [L1 L2].
assert (TY : Rabs (T - (Y + eps)) <= 301 / 100 * w * (Y + eps)).
{ rewrite ET. replace ((Y * (1 + t1) * (1 + t2) + eps) * (1 + t3) - (Y + eps))
    with (Y * ((1 + t1) * (1 + t2) * (1 + t3) - 1) + eps * t3) by ring.
  eapply Rle_trans; [apply Rabs_triang|].
  rewrite !Rabs_mult, (Rabs_right Y), (Rabs_right eps) by lra.
  assert (Y * Rabs ((1 + t1) * (1 + t2) * (1 + t3) - 1) <= Y * (301 / 100 * w))
    by (apply Rmult_le_compat_l; [lra | apply Rabs_le; lra]).
  assert (eps * Rabs t3 <= eps * (301 / 100 * w)) by (apply Rmult_le_compat_l; lra).
  lra. }
apply abs_le in YS, TY. apply Rabs_le. lra.
Qed.

Lemma last_T : Rabs (T - S) <= 82 / 10 * u * T.
Proof. generalize last_variance last_S. intros H P. apply abs_le in H. apply Rabs_le. lra. Qed.

Theorem last_rstd : 0 < S /\ exists rho, Rabs rho <= 42 / 10 * u /\
  f_rstd S1 S2 m eps = 1 / sqrt S * (1 + rho).
Proof.
assert (C : 0 <= 82 / 10 * u <= 1 / 100000) by lra.
destruct (rstd_error _ T S C HT last_T) as [P [rho [Hr Er]]].
split; [exact P|]. exists rho. split; [lra | exact Er].
Qed.

Theorem last_mean : Rabs (K + f_dm S1 m - x_mean L) <= 9 * u * sqrt S.
Proof.
destruct last_rstd as [P _]. destruct e_small as [S1e S2e]. destruct last_Q as [PQ LQ].
generalize k_small. intros Sk.
set (q := sqrt S). assert (Pq : 0 < q) by (apply sqrt_lt_R0; exact P).
assert (Eq : q * q = S) by (apply sqrt_sqrt; lra).
set (A := sum (fun v => Rabs (v - K)) L / m).
assert (HA : A <= m * q).
{ apply sqr_le; [apply Rmult_le_pos; lra|].
  eapply Rle_trans; [exact (square_mean (fun v => v - K))|]. fold Q.
  apply Rle_trans with (m * S); [exact LQ|].
  replace ((m * q) ^ 2) with (m * (m * S)) by (rewrite <- Eq; ring).
  assert (0 <= m * S) by (apply Rmult_le_pos; lra).
  rewrite <- (Rmult_1_l (m * S)) at 1. apply Rmult_le_compat_r; lra. }
assert (PA : 0 <= A) by exact (abs_mean_pos (fun v => v - K)).
generalize s1_D. fold e2 A. intros HD.
assert (DA : Rabs D <= A).
{ unfold D, A, Rdiv. rewrite Rabs_mult, (Rabs_right (/ m))
    by (apply Rle_ge, Rlt_le, Rinv_0_lt_compat, Hm).
  apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Hm|].
  apply sum_abs, every_all. intros v. lra. }
assert (Hs : Rabs s1 <= 11 / 10 * A).
{ replace s1 with ((s1 - D) + D) by ring. eapply Rle_trans; [apply Rabs_triang|].
  assert (e2 * A <= 1 / 10 * A) by (apply Rmult_le_compat_r; lra). lra. }
unfold f_dm. fold s1. destruct (rnd_ex Double s1) as [a [Ba Ea]]. rewrite Ea. simpl unit in Ba.
replace (K + s1 * (1 + a) - x_mean L) with ((s1 - D) + s1 * a) by (rewrite D_mean; ring).
eapply Rle_trans; [apply Rabs_triang|].
assert (W : w <= k) by (unfold k; destruct t; simpl; lra).
assert (Rabs (s1 * a) <= 11 / 10 * A * k)
  by (rewrite Rabs_mult; apply Rmult_le_compat; try apply Rabs_pos; lra).
apply Rle_trans with ((e2 + 2 * e1 + 5 * k) * A).
- assert (0 <= e1 * A) by (apply Rmult_le_pos; lra).
  assert (0 <= k * A) by (apply Rmult_le_pos; lra). lra.
- apply Rle_trans with ((e2 + 2 * e1 + 5 * k) * (m * q)); [apply Rmult_le_compat_l; lra|].
  replace ((e2 + 2 * e1 + 5 * k) * (m * q)) with (m * (e2 + 2 * e1 + 5 * k) * q) by ring.
  apply Rmult_le_compat_r; lra.
Qed.

End Last.
End List.

(* ---- RMS: around 0, and nothing to accept ---------------------------------------------------- *)

Definition f_rms_var_eps S2 m eps := rnd Double (rnd Double (S2 / m) + eps).
Definition f_rms_rstd S2 m eps := rnd Double (1 / rnd Double (sqrt (f_rms_var_eps S2 m eps))).
Definition x_square (L : tree R) := sum (fun v => v ^ 2) L / size L.

Section Rms.
Variables (L : tree R) (eps g S2 : R).
Let m := size L.
Hypothesis Hm : 0 < m.
Hypothesis Heps : 0 <= eps.
Hypothesis Hg : 1 <= g <= 1 + 701 / 100 * u.
Hypothesis HS2 : summed L g (fun v => rnd Float (v * v)) S2.
Let T := f_rms_var_eps S2 m eps.
Hypothesis HT : 0 < T.

Theorem rms_rstd : 0 < x_square L + eps /\ exists rho, Rabs rho <= 401 / 100 * u /\
  f_rms_rstd S2 m eps = 1 / sqrt (x_square L + eps) * (1 + rho).
Proof.
set (Q := x_square L). set (e2 := 8011 / 1000 * u).
assert (PI : 0 < / m) by (apply Rinv_0_lt_compat, Hm).
assert (PQ : 0 <= Q).
{ unfold Q, x_square. fold m. apply Rmult_le_pos; [apply sum_square_pos | lra]. }
assert (H2 : Rabs (S2 / m - Q) <= e2 * Q).
{ unfold Q, x_square. fold m. set (B := sum (fun v => v ^ 2) L).
  assert (H : Rabs (S2 - B) <= ((1 + u) * g - 1) * B).
  { apply HS2; [lra|]. apply every_all. intros v. replace (v ^ 2) with (v * v) by ring. split.
    - eapply Rle_trans; [apply rnd_error|]. rewrite (Rabs_right (v * v)) by nra. simpl. lra.
    - rewrite Rabs_right by nra. lra. }
  assert (PB : 0 <= B) by apply sum_square_pos.
  replace (S2 / m - B / m) with ((S2 - B) * / m) by (field; lra).
  rewrite Rabs_mult, (Rabs_right (/ m)) by lra.
  replace (e2 * (B / m)) with (e2 * B * / m) by (field; lra).
  apply Rmult_le_compat_r; [lra|]. eapply Rle_trans; [exact H|].
  apply Rmult_le_compat_r; [exact PB|]. unfold e2. lra. }
assert (ET : T = rnd Double (rnd Double (S2 / m) + eps)) by reflexivity.
revert ET. destruct (rnd_ex Double (S2 / m)) as [t1 [B1 E1]]. rewrite E1.
destruct (rnd_ex Double (S2 / m * (1 + t1) + eps)) as [t2 [B2 E2]]. rewrite E2. intros ET.
simpl unit in *. set (s2 := S2 / m) in *. apply abs_le in H2, B1, B2.
assert (e2Q : e2 * Q <= 1 / 1000000 * Q) by (apply Rmult_le_compat_r; unfold e2; lra).
assert (W : 1 - 201 / 100 * w <= (1 + t1) * (1 + t2) <= 1 + 201 / 100 * w)
  by (clear - B1 B2; nra).
assert (P2 : 0 <= s2) by lra.
assert (G : Rabs (T - (Q + eps)) <= (8012 / 1000 * u) * (Q + eps)).
{ rewrite ET. replace ((s2 * (1 + t1) + eps) * (1 + t2) - (Q + eps))
    with ((s2 * ((1 + t1) * (1 + t2)) - Q) + eps * t2) by ring.
  assert (s2 * (1 - 201 / 100 * w) <= s2 * ((1 + t1) * (1 + t2)) <= s2 * (1 + 201 / 100 * w))
    by (split; apply Rmult_le_compat_l; lra).
  assert (eps * - w <= eps * t2 <= eps * w) by (split; apply Rmult_le_compat_l; lra).
  apply Rabs_le. unfold e2 in *. lra. }
assert (R : Rabs (T - (Q + eps)) <= (8013 / 1000 * u) * T).
{ apply abs_le in G. apply Rabs_le. lra. }
assert (C : 0 <= 8013 / 1000 * u <= 1 / 100000) by lra.
destruct (rstd_error _ T (Q + eps) C HT R) as [PS [rho [Hr Er]]].
split; [exact PS|]. exists rho. split; [|exact Er].
eapply Rle_trans; [exact Hr|]. lra.
Qed.
End Rms.
