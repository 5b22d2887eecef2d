(* The standard model of floating-point arithmetic: every operation gives the exact result times
   1 + d, with |d| at most the unit of its type. Formats have no smallest and no largest exponent
   here: no underflow, no overflow. What overflows is computed again in double (NUMERICS, "Double"),
   and the bounds have summands of their own for what underflow loses. *)
From Coq Require Import Reals Psatz.
From Flocq Require Import Core Relative Sterbenz.
Open Scope R_scope.

Inductive type := Float | Double.

Definition bits (t : type) : Z := match t with Float => 24 | Double => 53 end.
Definition fexp (t : type) := FLX_exp (bits t).
Definition format (t : type) := generic_format radix2 (fexp t).
Definition rnd (t : type) := round radix2 (fexp t) ZnearestE.

(* Half a unit in the last place of 1: e is twice that of Float. *)
Notation u := (1 / 16777216).
Notation w := (1 / 9007199254740992).
Definition unit (t : type) : R := match t with Float => u | Double => w end.

#[global] Instance bits_positive : forall t, Prec_gt_0 (bits t).
Proof. destruct t; easy. Qed.
#[global] Instance fexp_valid : forall t, Valid_exp (fexp t).
Proof. intros t. exact (FLX_exp_valid (bits t)). Qed.
#[global] Instance fexp_monotone : forall t, Monotone_exp (fexp t).
Proof. intros t. exact (FLX_exp_monotone (bits t)). Qed.
#[global] Instance nearest_valid : Valid_rnd ZnearestE := valid_rnd_N _.

Lemma unit_pos : forall t, 0 < unit t.
Proof. destruct t; simpl; lra. Qed.

Lemma unit_small : forall t, unit t <= u.
Proof. destruct t; simpl; lra. Qed.

Lemma unit_bpow : forall t, unit t = / 2 * bpow radix2 (- bits t + 1).
Proof. destruct t; simpl; lra. Qed.

(* The rounding lemma. *)
Lemma rnd_ex : forall t x, exists d, Rabs d <= unit t /\ rnd t x = x * (1 + d).
Proof.
intros t x.
destruct (relative_error_N_FLX_ex radix2 (bits t) (bits_positive t)
            (fun n => negb (Z.even n)) x) as [d [H1 H2]].
exists d. split; [rewrite unit_bpow; exact H1 | exact H2].
Qed.

Lemma rnd_error : forall t x, Rabs (rnd t x - x) <= unit t * Rabs x.
Proof.
intros t x. destruct (rnd_ex t x) as [d [H E]]. rewrite E.
replace (x * (1 + d) - x) with (d * x) by ring. rewrite Rabs_mult.
apply Rmult_le_compat_r; [apply Rabs_pos | exact H].
Qed.

Lemma rnd_0 : forall t, rnd t 0 = 0.
Proof. intros t. unfold rnd. apply round_0. exact nearest_valid. Qed.

Lemma rnd_format : forall t x, format t (rnd t x).
Proof. intros t x. exact (generic_format_round radix2 (fexp t) ZnearestE x). Qed.

Lemma rnd_id : forall t x, format t x -> rnd t x = x.
Proof. intros t x H. exact (round_generic radix2 (fexp t) ZnearestE x H). Qed.

Lemma rnd_le : forall t x y, x <= y -> rnd t x <= rnd t y.
Proof.
intros t x y H. unfold rnd. apply round_le; [apply fexp_valid | apply nearest_valid | exact H].
Qed.

Lemma rnd_opp : forall t x, rnd t (- x) = - rnd t x.
Proof. intros t x. unfold rnd. apply round_NE_opp. Qed.

(* Floats are doubles. *)
Lemma format_double : forall x, format Float x -> format Double x.
Proof.
intros x H. unfold format in *. apply FLX_format_generic in H; [|exact (bits_positive Float)].
apply generic_format_FLX. destruct H as [f E B]. exists f; [exact E|].
eapply Z.lt_le_trans; [exact B|]. now compute.
Qed.

(* Powers of two scale exactly. *)
Lemma rnd_scale : forall t x k, rnd t (x * bpow radix2 k) = rnd t x * bpow radix2 k.
Proof.
intros t x k. destruct (Req_dec x 0) as [-> | Hx].
- rewrite Rmult_0_l, rnd_0. ring.
- unfold rnd, round, scaled_mantissa, F2R. simpl.
  assert (Hc : cexp radix2 (fexp t) (x * bpow radix2 k) = (cexp radix2 (fexp t) x + k)%Z).
  { unfold cexp. rewrite mag_mult_bpow by exact Hx. unfold fexp, FLX_exp. lia. }
  rewrite Hc.
  replace (x * bpow radix2 k * bpow radix2 (- (cexp radix2 (fexp t) x + k)))
    with (x * bpow radix2 (- cexp radix2 (fexp t) x)).
  + rewrite bpow_plus. ring.
  + rewrite Rmult_assoc, <- bpow_plus. do 2 f_equal. lia.
Qed.

(* Sterbenz: the difference of neighbours is exact, of either sign. *)
Lemma exact_sub : forall t x y, format t x -> format t y ->
  y / 2 <= x <= 2 * y \/ 2 * y <= x <= y / 2 -> rnd t (x - y) = x - y.
Proof.
intros t x y Hx Hy [H | H]; apply rnd_id.
- exact (sterbenz radix2 (fexp t) x y Hx Hy H).
- replace (x - y) with (- ((- x) - (- y))) by ring.
  apply generic_format_opp. apply (sterbenz radix2 (fexp t));
    [now apply generic_format_opp | now apply generic_format_opp | lra].
Qed.
