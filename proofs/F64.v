(* y of doubles: the same sums and formulas in double, and the theorems of Statistics.v with its
   unit. One double holds the mean, so that its rounding counts. *)
From Coq Require Import Reals Psatz.
From Gappa Require Import Gappa_tactic.
Require Import Constants Float Sum Statistics Apply.
Open Scope R_scope.

Definition e64 := 2 * w.
Definition y_f64_bound c g xhat b d := c * e64 * (Rabs g * (1 + Rabs xhat) + Rabs b) + Rabs g * d.

Section F64.
Variables (L : tree R) (K eps g S1 S2 : R).
Let m := size L.
Hypothesis Hm : 0 < m.
Hypothesis Heps : 0 <= eps.
(* S1 and S2 are within the trees of the blocks, the blocks of a run, and two for the totals, which
   are compensated (NUMERICS, "Bound"). *)
Hypothesis Hg1 : 1 <= g.
Hypothesis HS1 : summed L g (fun v => rnd Double (v - K)) S1.
Hypothesis HS2 : summed L g (fun v => rnd Double (rnd Double (v - K) * rnd Double (v - K))) S2.
Hypothesis HT : 0 < f_var_eps S1 S2 m eps.
Hypothesis Hacc : f_accepted S1 S2 m eps.
Let mean_of := f_mean S1 m K.
Let rstd_of := f_rstd S1 S2 m eps.
Let M := x_mean L.
Let Rs := 1 / sqrt (x_var L + eps).
Let X z := (z - M) * Rs.
(* What the rounding of the mean does to xhat. *)
Let d := (1 + 1 / 1073741824) * (w * Rabs mean_of * Rs).

Lemma statistics : forall c er em, g <= 1 + c * w -> 0 <= c <= 140 ->
  (3233 / 1000 * c + 7987 / 1000) * (5002 / 10000) + 202 / 100 <= er ->
  122477 / 100000 * (c + 1) + 71 / 100 <= em ->
  0 < Rs /\ exists rho c1 c2, Rabs rho <= er * w /\ rstd_of = Rs * (1 + rho) /\
  (M - mean_of) * Rs = c1 + c2 /\ Rabs c1 <= em * w /\
  Rabs c2 <= (1 + 1 / 2147483648) * (w * Rabs mean_of * Rs).
Proof.
intros c er em Hg Hc Her Hem.
assert (G : 1 <= g <= 1 + 14 * u) by (split; [lra|]; lra).
destruct (rstd Double L K eps g S1 S2 Hm Heps G HS1 HS2 HT Hacc) as [P [rho [Hr Er]]].
generalize (mean Double L K eps g S1 S2 Hm Heps G HS1 HS2 HT Hacc). fold m M.
generalize (sqrt_lt_R0 _ P). set (q := sqrt (x_var L + eps)). intros Pq H.
assert (PR : 0 < Rs) by (apply Rdiv_lt_0_compat; [lra | exact Pq]).
split; [exact PR|].
assert (E2 : (1 + w) * g - 1 <= (c + 1 + 1 / 100000) * w) by lra.
assert (H1 : Rabs (K + f_dm S1 m - M) * Rs <= em * w).
{ apply Rmult_le_reg_r with q; [exact Pq|]. unfold Rs. fold q.
  unfold Rdiv. rewrite Rmult_assoc, Rmult_1_l, Rinv_l by lra. rewrite Rmult_1_r.
  eapply Rle_trans; [exact H|]. apply Rmult_le_compat_r; [lra|].
  unfold mean_limit_of_list. simpl unit. lra. }
set (x := K + f_dm S1 m) in *.
assert (EM : mean_of = rnd Double x) by reflexivity.
destruct (rnd_ex Double x) as [t [Bt Et]]. simpl unit in Bt. rewrite Et in EM.
exists rho, ((M - x) * Rs), (- (x * t) * Rs). split; [|split; [exact Er|split; [|split]]].
- eapply Rle_trans; [exact Hr|]. unfold rstd_limit, variance_error. simpl unit.
  apply Rle_trans with
    (((3233 / 1000 * c + 7987 / 1000) * (5002 / 10000) + 202 / 100) * w); [lra|].
  apply Rmult_le_compat_r; lra.
- rewrite EM. ring.
- rewrite Rabs_mult, Rabs_minus_sym, (Rabs_right Rs) by lra. exact H1.
- rewrite EM, Rabs_mult, Rabs_Ropp, !Rabs_mult, (Rabs_right Rs) by lra.
  apply abs_le in Bt. rewrite (Rabs_right (1 + t)) by lra.
  assert (Rabs t <= w) by (apply Rabs_le; lra).
  set (p := Rabs x * Rs). assert (0 <= p) by (apply Rmult_le_pos; [apply Rabs_pos | lra]).
  replace (Rabs x * Rabs t * Rs) with (p * Rabs t) by (unfold p; ring).
  replace ((1 + 1 / 2147483648) * (w * (Rabs x * (1 + t)) * Rs))
    with (p * ((1 + 1 / 2147483648) * (w * (1 + t)))) by (unfold p; ring).
  apply Rmult_le_compat_l; [assumption|]. lra.
Qed.

(* A product of roundings, apart from them. *)
Lemma shape : forall C G Xz b t c1 c2 p d4, 0 <= C -> Rabs t <= C -> Rabs (c1 * p) <= C ->
  Rabs d4 <= C -> Rabs c2 <= (1 + 1 / 2147483648) * (w * Rabs mean_of * Rs) ->
  Rabs p <= 1 + 1 / 4294967296 -> 0 < Rs ->
  Rabs (G * Xz * t + G * ((c1 + c2) * p) + b * d4) <=
  C * (Rabs G * (1 + Rabs Xz) + Rabs b) + Rabs G * d.
Proof.
intros C G Xz b t c1 c2 p d4 HC Ht H1 H4 H2 Hp PR.
replace (G * Xz * t + G * ((c1 + c2) * p) + b * d4)
  with ((G * Xz * t + G * (c1 * p) + b * d4) + G * (c2 * p)) by ring.
eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat; [now apply combine|].
rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|]. unfold d. rewrite Rabs_mult.
assert (0 <= w * Rabs mean_of * Rs)
  by (apply Rmult_le_pos; [apply Rmult_le_pos; [lra | apply Rabs_pos] | lra]).
apply Rle_trans with
  ((1 + 1 / 2147483648) * (w * Rabs mean_of * Rs) * (1 + 1 / 4294967296)).
- apply Rmult_le_compat; try apply Rabs_pos; assumption.
- set (q := w * Rabs mean_of * Rs) in *. lra.
Qed.

(* Both kinds of y: gamma + gamma_offset has one rounding, o. *)
Lemma one_y : forall C E z s b rho c1 c2 d1 d2 d3 d4 o y,
  0 <= C -> Rabs rho <= E -> Rabs c1 <= E -> (E = 32 * w \/ E = 222 * w) -> E + 43 / 8 * w <= C ->
  (M - mean_of) * Rs = c1 + c2 -> Rabs c2 <= (1 + 1 / 2147483648) * (w * Rabs mean_of * Rs) ->
  0 < Rs -> Rabs d1 <= w -> Rabs d2 <= w -> Rabs d3 <= w -> Rabs d4 <= w -> Rabs o <= w ->
  y = ((z - mean_of) * Rs * s * ((1 + rho) * (1 + o) * (1 + d1) * (1 + d2) * (1 + d3)) + b) *
      (1 + d4) ->
  Rabs (y - (X z * s + b)) <= C * (Rabs s * (1 + Rabs (X z)) + Rabs b) + Rabs s * d.
Proof.
intros C E z s b rho c1 c2 d1 d2 d3 d4 o y HC Hr H1 HE EC Ec H2 PR B1 B2 B3 B4 Bo Ey.
set (p := (1 + rho) * (1 + o) * (1 + d1) * (1 + d2) * (1 + d3) * (1 + d4)).
replace (y - (X z * s + b)) with (s * X z * (p - 1) + s * ((c1 + c2) * p) + b * d4).
- assert (T : Rabs (p - 1) <= E + 43 / 8 * w).
  { unfold p. clear Ey Ec H2 H1 EC. destruct HE as [-> | ->].
    - apply Rle_trans with (299 / 72057594037927936); [gappa | lra].
    - apply Rle_trans with (1819 / 72057594037927936); [gappa | lra]. }
  assert (Pp : Rabs p <= 1 + 1 / 4294967296).
  { replace p with (1 + (p - 1)) by ring. eapply Rle_trans; [apply Rabs_triang|].
    rewrite Rabs_R1. destruct HE; lra. }
  apply shape; try assumption; [lra | | destruct HE; lra].
  rewrite Rabs_mult. apply Rle_trans with (E * (1 + 1 / 4294967296)).
  + apply Rmult_le_compat; try apply Rabs_pos; assumption.
  + destruct HE as [-> | ->]; lra.
- rewrite Ey, <- Ec. unfold X, p. ring.
Qed.

Variables z b : R.

Lemma rows_y : forall C E s rho c1 c2, 0 <= C -> Rabs rho <= E -> Rabs c1 <= E ->
  E = 32 * w \/ E = 222 * w -> E + 43 / 8 * w <= C -> rstd_of = Rs * (1 + rho) ->
  (M - mean_of) * Rs = c1 + c2 -> Rabs c2 <= (1 + 1 / 2147483648) * (w * Rabs mean_of * Rs) ->
  0 < Rs ->
  Rabs (y_rows_f64 z mean_of rstd_of (rnd Double s) b - (X z * s + b)) <=
  C * (Rabs s * (1 + Rabs (X z)) + Rabs b) + Rabs s * d.
Proof.
intros C E s rho c1 c2 HC Hr H1 HE EC Er Ec H2 PR. unfold y_rows_f64. rewrite Er.
destruct (rnd_ex Double s) as [o [Bo Eo]]. rewrite Eo.
destruct (rnd_ex Double (z - mean_of)) as [d1 [B1 E1]]. rewrite E1.
destruct (rnd_ex Double ((z - mean_of) * (1 + d1) * (Rs * (1 + rho)))) as [d2 [B2 E2]]. rewrite E2.
destruct (rnd_ex Double ((z - mean_of) * (1 + d1) * (Rs * (1 + rho)) * (1 + d2) * (s * (1 + o))))
  as [d3 [B3 E3]]. rewrite E3.
match goal with |- context [rnd Double (?p + b)] =>
  destruct (rnd_ex Double (p + b)) as [d4 [B4 E4]] end.
rewrite E4. simpl unit in *.
apply one_y with (E := E) (rho := rho) (c1 := c1) (c2 := c2) (d1 := d1) (d2 := d2) (d3 := d3)
  (d4 := d4) (o := o); try assumption. ring.
Qed.

Lemma channels_y : forall C E s rho c1 c2, 0 <= C -> Rabs rho <= E -> Rabs c1 <= E ->
  E = 32 * w \/ E = 222 * w -> E + 43 / 8 * w <= C -> rstd_of = Rs * (1 + rho) ->
  (M - mean_of) * Rs = c1 + c2 -> Rabs c2 <= (1 + 1 / 2147483648) * (w * Rabs mean_of * Rs) ->
  0 < Rs ->
  Rabs (y_channels_f64 z mean_of rstd_of (rnd Double s) b - (X z * s + b)) <=
  C * (Rabs s * (1 + Rabs (X z)) + Rabs b) + Rabs s * d.
Proof.
intros C E s rho c1 c2 HC Hr H1 HE EC Er Ec H2 PR. unfold y_channels_f64. rewrite Er.
destruct (rnd_ex Double s) as [o [Bo Eo]]. rewrite Eo.
destruct (rnd_ex Double (z - mean_of)) as [d1 [B1 E1]]. rewrite E1.
destruct (rnd_ex Double (s * (1 + o) * (Rs * (1 + rho)))) as [d2 [B2 E2]]. rewrite E2.
destruct (rnd_ex Double ((z - mean_of) * (1 + d1) * (s * (1 + o) * (Rs * (1 + rho)) * (1 + d2))))
  as [d3 [B3 E3]]. rewrite E3.
match goal with |- context [rnd Double (?p + b)] =>
  destruct (rnd_ex Double (p + b)) as [d4 [B4 E4]] end.
rewrite E4. simpl unit in *.
apply one_y with (E := E) (rho := rho) (c1 := c1) (c2 := c2) (d1 := d1) (d2 := d2) (d3 := d3)
  (d4 := d4) (o := o); try assumption. ring.
Qed.

(* BOUND y of F64, blocks of 128 | 18.7 | y_f64 |
   accepted at first, totals compensated, + |g| * |mean| * rstd * 2^-53 *)
Theorem y_f64 : g <= 1 + 1601 / 100 * w -> forall s,
  Rabs (y_rows_f64 z mean_of rstd_of (rnd Double s) b - (X z * s + b)) <=
  y_f64_bound (187 / 10) s (X z) b d /\
  Rabs (y_channels_f64 z mean_of rstd_of (rnd Double s) b - (X z * s + b)) <=
  y_f64_bound (187 / 10) s (X z) b d.
Proof.
intros Hg s. destruct (statistics (1601 / 100) 32 32 Hg) as
  [PR [rho [c1 [c2 [Hr [Er [Ec [H1 H2]]]]]]]]; [lra | lra | lra |]. unfold y_f64_bound, e64.
split; [apply rows_y with (E := 32 * w) (rho := rho) (c1 := c1) (c2 := c2)
  | apply channels_y with (E := 32 * w) (rho := rho) (c1 := c1) (c2 := c2)];
  try assumption; try lra; now left.
Qed.

(* BOUND y of F64, blocks of 8 | 114 | y_f64_few |
   accepted at first, totals compensated, + |g| * |mean| * rstd * 2^-53 *)
Theorem y_f64_few : g <= 1 + 13301 / 100 * w -> forall s,
  Rabs (y_rows_f64 z mean_of rstd_of (rnd Double s) b - (X z * s + b)) <=
  y_f64_bound 114 s (X z) b d /\
  Rabs (y_channels_f64 z mean_of rstd_of (rnd Double s) b - (X z * s + b)) <=
  y_f64_bound 114 s (X z) b d.
Proof.
intros Hg s. destruct (statistics (13301 / 100) 222 222 Hg) as
  [PR [rho [c1 [c2 [Hr [Er [Ec [H1 H2]]]]]]]]; [lra | lra | lra |]. unfold y_f64_bound, e64.
split; [apply rows_y with (E := 222 * w) (rho := rho) (c1 := c1) (c2 := c2)
  | apply channels_y with (E := 222 * w) (rho := rho) (c1 := c1) (c2 := c2)];
  try assumption; try lra; now right.
Qed.

End F64.
