(* The gradients of nrm_backward and nrm_infer_backward (NUMERICS, "Gradient"): dx, dgamma, dbeta.
   Modelled is every rounding, from dy and the statistics to what is stored: t and the terms of P
   and Q, their trees in float and totals in double, p and q, dx. Powers of two (v, u and 2^24 of
   NUMERICS; here v, lift and bpow radix2 24) scale exactly and are written as such. Where the code
   takes double for all of it (NUMERICS, "Double"), arith is Double: v is rstd, rho and lift are 1,
   and a rounding written here that the code does not do is of what is a double already. Where it
   takes double for a part, a sum or one dx, each rounding is one of these or smaller.
   Exact is the same formula of real numbers with the exact mean and rstd:
     xhat = (z - M) * R     dx = R * (t - p - xhat * q)     p = mean t     q = mean (t * xhat). *)
From Coq Require Import Reals Psatz List.
From Flocq Require Import Core.
From Gappa Require Import Gappa_tactic.
Require Import Constants Float Sum.
Require Statistics Bounds.
Open Scope R_scope.

(* ---- Factors near 1, and what is close to an exact value ---- *)

(* a is 1, give or take K - 1. Factors multiply, and so do their K. *)
Definition near (K a : R) := Rabs (a - 1) <= K - 1.

Lemma near_ge1 : forall K a, near K a -> 1 <= K.
Proof. unfold near. intros K a H. generalize (Rabs_pos (a - 1)). lra. Qed.

Lemma near_abs : forall K a, near K a -> Rabs a <= K.
Proof.
unfold near. intros K a H. replace a with ((a - 1) + 1) by ring.
eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_R1. lra.
Qed.

Lemma near_mul : forall K L a b, near K a -> near L b -> near (K * L) (a * b).
Proof.
intros K L a b Ha Hb. generalize (near_ge1 _ _ Ha) (near_abs _ _ Hb). unfold near in *.
  intros HK HB.
replace (a * b - 1) with ((a - 1) * b + (b - 1)) by ring.
eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult.
assert (Rabs (a - 1) * Rabs b <= (K - 1) * L)
  by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
lra.
Qed.

Lemma rnd_near : forall t x, exists f, near (1 + unit t) f /\ rnd t x = x * f.
Proof.
intros t x. destruct (rnd_ex t x) as [d [B E]]. exists (1 + d). split; [|exact E].
unfold near. replace (1 + d - 1) with d by ring. lra.
Qed.

Lemma rnd_near_u : forall t x, exists f, near (1 + u) f /\ rnd t x = x * f.
Proof.
intros t x. destruct (rnd_near t x) as [f [F E]]. exists f. split; [|exact E].
generalize (unit_small t). unfold near in *. lra.
Qed.

(* c is x, give or take (K - 1) * B + b * T, where B is at least |x|. *)
Definition close (K b B T c x : R) :=
  Rabs (c - x) <= (K - 1) * B + b * T /\ Rabs x <= B /\ 1 <= K /\ 0 <= b /\ 0 <= T.

Lemma close_refl : forall x, close 1 0 (Rabs x) 0 x x.
Proof. intros x. unfold close. rewrite Rminus_eq_0, Rabs_R0. lra. Qed.

Lemma close_mul : forall K b B T c x L f, close K b B T c x -> near L f ->
  close (K * L) (b * L) B T (c * f) x.
Proof.
intros K b B T c x L f [H [HB [HK [Hb HT]]]] Hf.
generalize (near_ge1 _ _ Hf) (near_abs _ _ Hf). unfold near in Hf. intros HL Hf'.
unfold close. split; [|repeat split; nra || assumption].
replace (c * f - x) with ((c - x) * f + x * (f - 1)) by ring.
eapply Rle_trans; [apply Rabs_triang|]. rewrite !Rabs_mult.
assert (Rabs (c - x) * Rabs f <= ((K - 1) * B + b * T) * L)
  by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
assert (Rabs x * Rabs (f - 1) <= B * (L - 1))
  by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
lra.
Qed.

Lemma close_factor : forall x K f, near K f -> close K 0 (Rabs x) (Rabs x) (x * f) x.
Proof.
intros x K f H. assert (HK := near_ge1 _ _ H). generalize (Rabs_pos x). intros X0. unfold near in H.
unfold close. repeat split; try lra. replace (x * f - x) with ((f - 1) * x) by ring.
rewrite Rabs_mult. assert (Rabs (f - 1) * Rabs x <= (K - 1) * Rabs x)
  by (now apply Rmult_le_compat_r). lra.
Qed.

Lemma close_rnd : forall t K b B T c x, close K b B T c x ->
  close (K * (1 + unit t)) (b * (1 + unit t)) B T (rnd t c) x.
Proof.
intros t K b B T c x H. destruct (rnd_near t c) as [f [Hf E]]. rewrite E. now apply close_mul.
Qed.

Lemma close_scale : forall k K b B T c x, 0 <= k -> close K b B T c x ->
  close K b (B * k) (T * k) (c * k) (x * k).
Proof.
intros k K b B T c x Hk [H [HB [HK [Hb HT]]]]. unfold close.
replace (c * k - x * k) with ((c - x) * k) by ring. rewrite !Rabs_mult, (Rabs_pos_eq k) by exact Hk.
repeat split; try assumption.
- replace ((K - 1) * (B * k) + b * (T * k)) with (((K - 1) * B + b * T) * k) by ring.
  now apply Rmult_le_compat_r.
- now apply Rmult_le_compat_r.
- now apply Rmult_le_pos.
Qed.

(* Times an exact factor of either sign. *)
Lemma close_times : forall g K b B T c x, close K b B T c x ->
  close K b (Rabs g * B) (Rabs g * T) (g * c) (g * x).
Proof.
intros g K b B T c x [H [HB [HK [Hb HT]]]]. generalize (Rabs_pos g). intros Hg. unfold close.
replace (g * c - g * x) with (g * (c - x)) by ring. rewrite !Rabs_mult.
repeat split; try assumption.
- replace ((K - 1) * (Rabs g * B) + b * (Rabs g * T)) with (Rabs g * ((K - 1) * B + b * T)) by ring.
  now apply Rmult_le_compat_l.
- now apply Rmult_le_compat_l.
- now apply Rmult_le_pos.
Qed.

Lemma close_weaken : forall K b K' b' B T c x, close K b B T c x -> K <= K' -> b <= b' ->
  close K' b' B T c x.
Proof.
intros K b K' b' B T c x [H [HB [HK [Hb HT]]]] H1 H2. unfold close.
assert (0 <= B) by (generalize (Rabs_pos x); lra).
assert ((K - 1) * B <= (K' - 1) * B) by (apply Rmult_le_compat_r; lra).
assert (b * T <= b' * T) by (apply Rmult_le_compat_r; lra).
repeat split; lra.
Qed.

(* A sum of what is close is close. *)
Lemma close_comp : forall A (s : tree A) K b G B T c x, 1 <= K -> 0 <= b ->
  every (fun v => close K b (B v) (T v) (c v) (x v)) s -> growth s <= G ->
  close (K * G) (b * G) (sum B s) (sum T s) (comp c s) (sum x s).
Proof.
intros A s K b G B T c x HK Hb H HG.
assert (G1 : 1 <= growth s) by apply growth_ge1.
assert (X : every (fun v => Rabs (c v - x v) <= (K - 1) * B v + b * T v) s)
  by (eapply every_impl; [|exact H]; now intros v [V _]).
assert (Y : every (fun v => Rabs (x v) <= B v) s)
  by (eapply every_impl; [|exact H]; now intros v [_ [V _]]).
assert (HT : 0 <= sum T s)
  by (apply sum_pos; eapply every_impl; [|exact H]; now intros v [_ [_ [_ [_ V]]]]).
assert (Z : every (fun v => Rabs (c v) <= K * B v + b * T v) s).
{ eapply every_impl; [|exact H]. intros v [V1 [V2 _]].
  replace (c v) with ((c v - x v) + x v) by ring. eapply Rle_trans; [apply Rabs_triang|]. lra. }
assert (E1 : Rabs (comp c s - sum c s) <= ((1 + 0) * growth s - 1) * sum (fun v => Rabs (c v)) s).
{ apply tree_error; [lra|]. apply every_all. intros v. rewrite Rminus_eq_0, Rabs_R0. lra. }
assert (E2 : sum (fun v => Rabs (c v)) s <= K * sum B s + b * sum T s).
{ rewrite <- !sum_scal, <- sum_plus. now apply sum_le. }
assert (E3 : Rabs (sum c s - sum x s) <= (K - 1) * sum B s + b * sum T s).
{ rewrite <- sum_minus, <- !sum_scal, <- sum_plus. now apply sum_abs. }
assert (E4 : Rabs (sum x s) <= sum B s) by now apply sum_abs.
assert (HB : 0 <= sum B s) by (generalize (Rabs_pos (sum x s)); lra).
unfold close. repeat split; try assumption; try nra.
replace (comp c s - sum x s) with ((comp c s - sum c s) + (sum c s - sum x s)) by ring.
eapply Rle_trans; [apply Rabs_triang|].
assert (((1 + 0) * growth s - 1) * sum (fun v => Rabs (c v)) s <=
        (G - 1) * (K * sum B s + b * sum T s)).
{ apply Rmult_le_compat; try lra. apply sum_pos, every_all. intros v. apply Rabs_pos. }
lra.
Qed.

Lemma sum_scal_r : forall A k f (s : tree A), sum (fun v => f v * k) s = sum f s * k.
Proof.
intros A k f s. rewrite Rmult_comm, <- sum_scal. apply sum_ext, every_all. intros v. ring.
Qed.

(* The same of terms that are computed times a power of two. *)
Lemma close_comp_scaled : forall A (s : tree A) k K b G B T c x, 0 < k -> 1 <= K -> 0 <= b ->
  (forall v, close K b (B v) (T v) (c v * k) (x v)) -> growth s <= G ->
  close (K * G) (b * G) (sum B s) (sum T s) (comp c s * k) (sum x s).
Proof.
intros A s k K b G B T c x Hk HK Hb H HG.
assert (Hi : 0 < / k) by now apply Rinv_0_lt_compat.
replace (sum B s) with (sum (fun v => B v * / k) s * k) by (rewrite sum_scal_r; field; lra).
replace (sum T s) with (sum (fun v => T v * / k) s * k) by (rewrite sum_scal_r; field; lra).
replace (sum x s) with (sum (fun v => x v * / k) s * k) by (rewrite sum_scal_r; field; lra).
apply close_scale; [lra|]. apply close_comp; try assumption. apply every_all. intros v.
replace (c v) with (c v * k * / k) by (field; lra).
apply close_scale; [lra | apply H].
Qed.

(* The mean of f over the values of a tree. *)
Definition average {A} (f : A -> R) (s : tree A) := sum f s / size s.

Lemma close_average : forall A (s : tree A) K b B T c x, 0 < size s ->
  close K b (sum B s) (sum T s) c (sum x s) ->
  close K b (average B s) (average T s) (c / size s) (average x s).
Proof.
intros A s K b B T c x Hm H. unfold average, Rdiv. apply close_scale; [|exact H].
apply Rlt_le, Rinv_0_lt_compat, Hm.
Qed.

(* ---- ((z - mh) - ml) ---- *)

(* What statistics give: the exact mean and rstd = 1 / sqrt(var + eps), and the computed ones. The
   computed rstd is v * rho, and v is 2^exponent. Of RMS both means are 0. *)
Record statistic := Statistic {
  exact_mean : R; exact_rstd : R; mean : R; rstd : R; exponent : Z; arith : type }.

Definition in_float {A} (s : statistic) (a b : A) := match arith s
  with Float => a | Double => b end.
Definition v (s : statistic) := in_float s (bpow radix2 (exponent s)) (rstd s).
Definition rho (s : statistic) := rstd s / v s.
Definition mh (s : statistic) := in_float s (rnd Float (mean s)) (mean s).
Definition ml (s : statistic) := in_float s (rnd Float (rnd Double (mean s - mh s))) 0.
Definition xhat (s : statistic) (z : R) := (z - exact_mean s) * exact_rstd s.
Definition centred (s : statistic) (z : R) := rnd (arith s) (rnd (arith s) (z - mh s) - ml s).
Definition h (s : statistic) (z : R) :=
  in_float s (centred s z * v s) (rnd Double (centred s z * v s)).

(* em is the error of the mean, of a deviation 1 / rstd; er the relative one of rstd. |mean| * rstd
   is at most 2^25, or the code takes double (NUMERICS, "Double"). *)
Definition fair (em er : R) (s : statistic) :=
  0 < exact_rstd s /\ 0 <= em /\
  Rabs ((exact_mean s - mean s) * exact_rstd s) <= em /\
  (exists f, near (1 + er) f /\ rstd s = exact_rstd s * f) /\
  (arith s = Float -> Rabs (mean s) * exact_rstd s <= 33556000) /\ 0 < v s.

(* What the two subtractions lose, relatively, and what is lost of ml beside it. *)
Notation sub := (129 / 64 * u).

Lemma double_error : forall m, exists dm dl, Rabs dm <= u /\ Rabs dl
  <= 16777217 / 281474976710656 /\
  rnd Float m = m * (1 + dm) /\ rnd Float (rnd Double (m - rnd Float m)) = - (m * dm) * (1 + dl).
Proof.
intros m. destruct (rnd_ex Float m) as [dm [Bm Em]]. rewrite Em.
destruct (rnd_ex Double (m - m * (1 + dm))) as [dw [Bw Ew]]. rewrite Ew.
destruct (rnd_ex Float ((m - m * (1 + dm)) * (1 + dw))) as [dl [Bl El]]. rewrite El.
exists dm, ((1 + dw) * (1 + dl) - 1). simpl in *. repeat split; try assumption.
- clear - Bw Bl. replace ((1 + dw) * (1 + dl) - 1) with (dw + dl + dw * dl) by ring. gappa.
- ring.
Qed.

Lemma centred_error : forall s z, arith s = Float -> format Float z -> 0 < exact_rstd s ->
  Rabs (mean s) * exact_rstd s <= 33556000 -> exists a l, near (1 + sub) a /\ Rabs l <= sub /\
  centred s z * exact_rstd s = (z - mean s) * exact_rstd s * a + l.
Proof.
intros s z HA Hz HR Hm. unfold centred, ml, mh, near, in_float. rewrite HA.
destruct (double_error (mean s)) as [dm [dl [Bm [Bl [Em El]]]]]. rewrite El.
set (m := mean s) in *. set (R := exact_rstd s) in *.
destruct (rnd_ex Float (rnd Float (z - rnd Float m) - - (m * dm) * (1 + dl))) as [d [Bd Ed]].
simpl in Bd. rewrite Ed.
destruct (Rle_or_lt (Rabs (z - m)) (Rabs m / 4)) as [HS|HS].
- (* Near the mean z - mh is exact. *)
  assert (Ex : rnd Float (z - rnd Float m) = z - rnd Float m).
  { apply exact_sub; [exact Hz | apply rnd_format |]. rewrite Em. revert HS Bm. unfold Rabs.
    destruct (Rcase_abs m), (Rcase_abs (z - m)), (Rcase_abs dm); intros;
      (left; nra) || (right; nra). }
  exists (1 + d), (m * R * dm * dl * (1 + d)). split; [|split].
  + replace (1 + d - 1) with d by ring. lra.
  + assert (Hq : Rabs (m * R) <= 33556000) by (rewrite Rabs_mult, (Rabs_right R); lra).
    clear - Hq Bm Bl Bd. revert Hq. generalize (m * R). intros q Hq. gappa.
  + rewrite Ex, Em. ring.
- (* Far from it the mean's own rounding is small beside z - mean. *)
  destruct (rnd_ex Float (z - rnd Float m)) as [d1 [B1 E1]]. simpl in B1.
  assert (Hv : z - m <> 0). { intros H. rewrite H, Rabs_R0 in HS. generalize (Rabs_pos m); lra. }
  set (n := m / (z - m)).
  assert (Hn : Rabs n <= 4).
  { unfold n, Rdiv. rewrite Rabs_mult, Rabs_inv.
    apply Rmult_le_reg_r with (Rabs (z - m)); [now apply Rabs_pos_lt|].
    rewrite Rmult_assoc, Rinv_l by now apply Rabs_no_R0. lra. }
  exists ((1 + d1 - n * dm * (d1 - dl)) * (1 + d)), 0. split; [|split].
  + clear - Hn Bm Bl Bd B1. revert Hn. generalize n. intros q Hn.
    replace ((1 + d1 - q * dm * (d1 - dl)) * (1 + d) - 1)
      with (d1 + d + d1 * d - q * dm * (d1 - dl) * (1 + d)) by ring.
    apply Rle_trans with (129 / 1073741824); [gappa | lra].
  + rewrite Rabs_R0. lra.
  + rewrite E1, Em. unfold n. field. exact Hv.
Qed.

(* The error of h that is not in proportion to it. *)
Definition shift (em : R) := em * (1 + sub) + sub.

(* h as xhat, but for the power of two and rho. *)
Lemma h_error : forall em er s z, format Float z -> fair em er s -> exists a c,
  near (1 + sub) a /\ Rabs c <= shift em /\
  h s z * (exact_rstd s / v s) = xhat s z * a + c.
Proof.
intros em er s z Hz [HR [Hem [Hm [_ [Hx Hv]]]]].
assert (Ha : exists a l, near (1 + sub) a /\ Rabs l <= sub /\
  h s z * (exact_rstd s / v s) = (z - mean s) * exact_rstd s * a + l).
{ unfold h, in_float. destruct (arith s) eqn:HA.
  - destruct (centred_error s z HA Hz HR (Hx eq_refl)) as [a [l [Ha [Hl E]]]].
    exists a, l. repeat split; try assumption. rewrite <- E. field. lra.
  - unfold centred, ml, mh, in_float. rewrite HA, Rminus_0_r.
    destruct (rnd_near Double (z - mean s)) as [f1 [F1 ->]].
    destruct (rnd_near Double ((z - mean s) * f1)) as [f2 [F2 ->]].
    destruct (rnd_near Double ((z - mean s) * f1 * f2 * v s)) as [f3 [F3 ->]].
    exists (f1 * f2 * f3), 0. rewrite Rabs_R0. split; [|split; [lra | field; lra]].
    assert (F := near_mul _ _ _ _ (near_mul _ _ _ _ F1 F2) F3). unfold near in *. simpl in F. lra. }
destruct Ha as [a [l [Ha [Hl E]]]].
exists a, ((exact_mean s - mean s) * exact_rstd s * a + l). split; [exact Ha|]. split.
- unfold shift. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult.
  apply Rplus_le_compat; [|exact Hl].
  apply Rmult_le_compat; try apply Rabs_pos; [exact Hm | now apply near_abs].
- rewrite E. unfold xhat. ring.
Qed.

(* RMS has no mean: nothing is lost in float, one rounding in double. *)
Definition fair_rms (er : R) (s : statistic) :=
  0 < exact_rstd s /\ exact_mean s = 0 /\ mean s = 0 /\
  (exists f, near (1 + er) f /\ rstd s = exact_rstd s * f) /\ 0 < v s.

Lemma h_rms : forall er s z, format Float z -> fair_rms er s -> exists a c,
  near (1 + w) a /\ Rabs c <= 0 /\ h s z * (exact_rstd s / v s) = xhat s z * a + c.
Proof.
intros er s z Hz [_ [E0 [E1 [_ Hv]]]].
assert (F0 : forall t, format t 0) by (intros; apply generic_format_0).
assert (Fz : format (arith s) z) by (destruct (arith s); [exact Hz | now apply format_double]).
assert (Ec : centred s z = z).
{ unfold centred, ml, mh, in_float. rewrite E1.
  destruct (arith s); repeat (rewrite ?Rminus_0_r, ?(rnd_id _ 0), ?(rnd_id _ z) by auto); auto. }
unfold h, in_float, xhat. rewrite Ec, E0. destruct (arith s).
- exists 1, 0. unfold near. rewrite Rminus_eq_0, Rabs_R0. repeat split; try lra. field. lra.
- destruct (rnd_near Double (z * v s)) as [f [F ->]]. exists f, 0. rewrite Rabs_R0.
  repeat split; try lra; [exact F | field; lra].
Qed.

(* A value that h multiplies. *)
Lemma close_xhat : forall t x a l K c, near K a -> Rabs l <= c ->
  close K c (Rabs (t * x)) (Rabs t) (t * (x * a + l)) (t * x).
Proof.
intros t x a l K c Ha Hl. assert (HK := near_ge1 _ _ Ha). unfold near in Ha.
generalize (Rabs_pos t) (Rabs_pos l). intros T0 L0. unfold close. repeat split; try lra.
replace (t * (x * a + l) - t * x) with ((a - 1) * (t * x) + l * t) by ring.
eapply Rle_trans; [apply Rabs_triang|]. rewrite (Rabs_mult (a - 1)), (Rabs_mult l).
apply Rplus_le_compat; apply Rmult_le_compat_r; try apply Rabs_pos; assumption.
Qed.

(* ---- dx from p and q ---- *)

Definition o_of (s : statistic) (lift : R) :=
  in_float s (rnd Float (rnd Double (rstd s / lift))) (rstd s / lift).

(* ((t - (float)(p * u)) - h * (float)(q * rho * u)) * o *)
Definition dx (s : statistic) (lift that p q z : R) :=
  let r := rnd (arith s) in
  let x := r (r (r (that - r (p * lift)) - r (h s z * r (rnd Double (q * rho s) * lift))) *
              o_of s lift) in
  in_float s x (rnd Float x).

Lemma o_near : forall s lift, exists f g, near (1 + w) f /\ near (1 + u) g /\
  o_of s lift = rstd s / lift * f * g.
Proof.
intros s lift. assert (N : forall k, 0 <= k -> near (1 + k) 1)
  by (intros k Hk; unfold near; rewrite Rminus_eq_0, Rabs_R0; lra).
unfold o_of, in_float. destruct (arith s).
- destruct (rnd_near Double (rstd s / lift)) as [f [F ->]].
  destruct (rnd_near Float (rstd s / lift * f)) as [g [G ->]]. exists f, g. auto.
- exists 1, 1. rewrite !Rmult_1_r. repeat split; apply N; lra.
Qed.

Lemma stored_near : forall s x, exists f, near ((1 + w) * (1 + u)) f /\
  in_float s (rnd (arith s) x) (rnd Float (rnd (arith s) x)) = x * f.
Proof.
intros s x. unfold in_float. destruct (arith s).
- destruct (rnd_near Float x) as [f [F ->]]. exists f. split; [|reflexivity].
  unfold near in *. simpl unit in F. lra.
- destruct (rnd_near Double x) as [f [F ->]]. destruct (rnd_near Float (x * f)) as [g [G ->]].
  exists (f * g). split; [now apply near_mul | ring].
Qed.

Definition exact_dx (s : statistic) (t p q z : R) := exact_rstd s * (t - p - xhat s z * q).

(* By what dx is measured: T0 is mean |t|, T1 is mean |t * xhat|. *)
Definition dx_scale (s : statistic) (t T0 T1 z : R) :=
  exact_rstd s * (1 + Rabs (xhat s z)) * (Rabs t + T0 + T1).

(* What rounds after both differences: the second of them, rstd, o twice, the product. In double the
   last of these is the float that is stored, and four are of 2^-53. *)
Definition tail (er : R) := (1 + u) * (1 + er) * (1 + w) * (1 + u) * ((1 + w) * (1 + u)).
(* What rounds q besides: rho, q * rho, its float, the product with h. *)
Definition q_tail (er : R) := (1 + er) * (1 + w) * (1 + u) * (1 + u) * tail er.

(* Kt, Kp, Kq with bq: how close t, p and q are. Kd: the first difference. Ka and c: h. C holds if
   it is at least what multiplies |t|, mean |t|, |xhat| mean |t xhat|, |xhat| mean |t| and
   mean |t xhat|. *)
Definition dx_constant (Kt Kp Kq bq Kd Ka c er C : R) :=
  Kt * Kd * tail er - 1 <= C /\
  Kp * (1 + u) * Kd * tail er - 1 + c * bq * q_tail er <= C /\
  Kq * Ka * q_tail er - 1 <= C /\
  bq * Ka * q_tail er <= C /\
  c * Kq * q_tail er <= C.

Theorem dx_error : forall Kt Kp Kq bq Kd Ka c er C s lift t that p P q Q T0 T1 z,
  0 < exact_rstd s -> (exists f, near (1 + er) f /\ rstd s = exact_rstd s * f) -> 0 < v s ->
  0 < lift -> (exists a l, near Ka a /\ Rabs l
    <= c /\ h s z * (exact_rstd s / v s) = xhat s z * a + l) ->
  (exists f, near Kd f /\
    rnd (arith s) (that - rnd (arith s) (p * lift)) = (that - rnd (arith s) (p * lift)) * f) ->
  close Kt 0 (Rabs t) (Rabs t) (that / lift) t ->
  close Kp 0 T0 T0 p P ->
  close Kq bq T1 T0 q Q ->
  dx_constant Kt Kp Kq bq Kd Ka c er C ->
  Rabs (dx s lift that p q z - exact_dx s t P Q z) <= C * dx_scale s t T0 T1 z.
Proof.
intros Kt Kp Kq bq Kd Ka c er C s lift t that p P q Q T0 T1 z HR [r [Hr Er]] Hv Hl
  [a [l [Ha [Hc Eh]]]] [f2 [F2 E2]] Ht Hp Hq [C1 [C2 [C3 [C4 C5]]]].
(* Every rounding as a factor. *)
unfold dx. cbv zeta. rewrite E2. clear E2.
destruct (rnd_near_u (arith s) (p * lift)) as [f1 [F1 ->]].
destruct (rnd_near Double (q * rho s)) as [f3 [F3 ->]].
destruct (rnd_near_u (arith s) (q * rho s * f3 * lift)) as [f4 [F4 ->]].
destruct (rnd_near_u (arith s) (h s z * (q * rho s * f3 * lift * f4))) as [f5 [F5 ->]].
set (left := (that - p * lift * f1) * f2).
set (right := h s z * (q * rho s * f3 * lift * f4) * f5).
destruct (rnd_near_u (arith s) (left - right)) as [f6 [F6 ->]].
destruct (o_near s lift) as [f7 [f8 [F7 [F8 ->]]]].
destruct (stored_near s ((left - right) * f6 * (rstd s / lift * f7 * f8))) as [f9 [F9 ->]].
simpl unit in *.
set (out := f6 * r * f7 * f8 * f9).
assert (Fo : near (tail er) out) by (unfold tail, out; repeat apply near_mul; assumption).
set (fr := r * f3 * f4 * f5 * out).
assert (Fr : near (q_tail er) fr) by (unfold q_tail, fr; repeat apply near_mul; assumption).
set (L := q_tail er) in *. set (X := xhat s z) in *. set (R0 := exact_rstd s) in *.
replace ((left - right) * f6 * (rstd s / lift * f7 * f8) * f9 - exact_dx s t P Q z) with
  (R0 * ((that / lift * (f2 * out) - t) - (p * (f1 * f2 * out) - P)
         - X * (q * (a * fr) - Q) - l * (q * fr))).
2: { unfold exact_dx. fold X R0. replace (left - right) with
       (lift * (that / lift * f2 - p * f1 * f2 - (X * a + l) * q * (r * f3 * f4 * f5))).
     - unfold fr, out. rewrite Er. field. lra.
     - rewrite <- Eh. unfold left, right, rho. rewrite Er. field. lra. }
destruct (close_mul _ _ _ _ _ _ _ _ Ht (near_mul _ _ _ _ F2 Fo)) as [G1 _].
destruct (close_mul _ _ _ _ _ _ _ _ Hp (near_mul _ _ _ _ (near_mul _ _ _ _ F1 F2) Fo)) as [G2 _].
destruct (close_mul _ _ _ _ _ _ _ _ Hq (near_mul _ _ _ _ Ha Fr)) as [G3 _].
destruct (close_mul _ _ _ _ _ _ _ _ Hq Fr) as [G4 [B4 _]].
destruct Hp as [_ [BP _]]. destruct Hq as [_ [_ [HKq [Hbq HT0]]]].
assert (HT1 : 0 <= T1) by (generalize (Rabs_pos Q); lra).
assert (HL : 1 <= L) by (eapply near_ge1; exact Fr).
assert (Hsh : 0 <= c) by (generalize (Rabs_pos l); lra).
assert (G5 : Rabs (q * fr) <= Kq * L * T1 + bq * L * T0).
{ replace (q * fr) with ((q * fr - Q) + Q) by ring. eapply Rle_trans; [apply Rabs_triang|]. lra. }
assert (G6 : Rabs (l * (q * fr)) <= c * (Kq * L * T1 + bq * L * T0)).
{ rewrite Rabs_mult. apply Rmult_le_compat; try apply Rabs_pos; assumption. }
assert (G7 : Rabs (X * (q * (a * fr) - Q)) <=
             Rabs X * ((Kq * (Ka * L) - 1) * T1 + bq * (Ka * L) * T0)).
{ rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos | exact G3]. }
unfold dx_scale. fold X R0. rewrite Rabs_mult, (Rabs_pos_eq R0) by lra.
replace (C * (R0 * (1 + Rabs X) * (Rabs t + T0 + T1)))
  with (R0 * (C * ((1 + Rabs X) * (Rabs t + T0 + T1)))) by ring.
apply Rmult_le_compat_l; [lra|].
unfold Rminus at 1. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp.
unfold Rminus at 1. eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|]. rewrite Rabs_Ropp.
unfold Rminus at 1. eapply Rle_trans; [apply Rplus_le_compat_r, Rplus_le_compat_r, Rabs_triang|].
rewrite Rabs_Ropp.
generalize (Rabs_pos X) (Rabs_pos t). intros X0 t0.
assert (Q1 : (Kt * (Kd * tail er) - 1) * Rabs t <= C * Rabs t) by (apply Rmult_le_compat_r; lra).
assert (Q2 : (Kp * ((1 + u) * Kd * tail er) - 1 + c * bq * L) * T0 <= C * T0)
  by (apply Rmult_le_compat_r; lra).
assert (Q3 : (Kq * (Ka * L) - 1) * (Rabs X * T1) <= C * (Rabs X * T1))
  by (apply Rmult_le_compat_r; [now apply Rmult_le_pos | lra]).
assert (Q4 : bq * (Ka * L) * (Rabs X * T0) <= C * (Rabs X * T0))
  by (apply Rmult_le_compat_r; [now apply Rmult_le_pos | lra]).
assert (Q5 : c * Kq * L * T1 <= C * T1) by (apply Rmult_le_compat_r; lra).
assert (Q6 : 0 <= C * (Rabs X * Rabs t)).
{ apply Rmult_le_pos; [|now apply Rmult_le_pos]. eapply Rle_trans; [|exact C5].
  apply Rmult_le_pos; [apply Rmult_le_pos|]; lra. }
lra.
Qed.

(* The differences of kinds with a mean; and RMS, of which p is 0. *)
Lemma difference : forall t that p lift, exists f, near (1 + u) f /\
  rnd t (that - rnd t (p * lift)) = (that - rnd t (p * lift)) * f.
Proof. intros. apply rnd_near_u. Qed.

Lemma difference_rms : forall t that lift, format t that -> exists f, near 1 f /\
  rnd t (that - rnd t (0 * lift)) = (that - rnd t (0 * lift)) * f.
Proof.
intros t that lift H. exists 1. split; [unfold near; rewrite Rminus_eq_0, Rabs_R0; lra|].
rewrite Rmult_0_l, rnd_0, Rminus_0_r, rnd_id by exact H. ring.
Qed.

(* ---- Rows: LAYER and RMS ---- *)

Section Rows.
Variable value : Type.
Variables z dy : value -> R.        (* dy' of NUMERICS: what the activation left of dy *)
Variables gamma g : value -> R.     (* exact: gamma + gamma_offset; and g, its float *)
Variable row : tree value.          (* the list of the row's sums *)
Variable s : statistic.
Variable lift : R.                  (* u of NUMERICS *)
Variable Kg : R.                    (* 1 where there is no gamma_offset *)
Hypothesis Hg : forall k, exists f, near Kg f /\ g k = gamma k * f.
Hypothesis Hlift : 0 < lift.
Hypothesis Hm : 0 < size row.

Definition t_row (k : value) := rnd (arith s) (dy k * (g k * lift)).
Definition Q_term (k : value) := rnd (arith s) (t_row k * h s (z k)).
Definition P_row := comp t_row row.
Definition Q_row := comp Q_term row.
Definition p_row := rnd Double (P_row / lift / size row).
Definition q_row := rnd Double (rnd Double (Q_row * rho s) / lift / size row).
Definition dx_row (k : value) := dx s lift (t_row k) p_row q_row (z k).
Definition dx_rms (k : value) := dx s lift (t_row k) 0 q_row (z k).

Definition t (k : value) := dy k * gamma k.
Definition tx (k : value) := t k * xhat s (z k).
Definition scale_row (k : value) :=
  dx_scale s (t k) (average (fun k => Rabs (t k)) row) (average (fun k => Rabs (tx k)) row) (z k).

Lemma t_row_factor : forall k, exists f, near (Kg * (1 + u)) f /\ t_row k = t k * lift * f.
Proof.
intros k. unfold t_row, t. destruct (rnd_near_u (arith s) (dy k * (g k * lift))) as [f1 [F1 ->]].
destruct (Hg k) as [f2 [F2 ->]]. exists (f2 * f1). split; [now apply near_mul | ring].
Qed.

Lemma t_row_close : forall k,
  close (Kg * (1 + u)) 0 (Rabs (t k)) (Rabs (t k)) (t_row k / lift) (t k).
Proof.
intros k. destruct (t_row_factor k) as [f [F ->]].
replace (t k * lift * f / lift) with (t k * f) by (field; lra). now apply close_factor.
Qed.

Lemma p_row_close : forall G, 1 <= Kg -> growth row <= G ->
  close (Kg * (1 + u) * G * (1 + w)) 0 (average (fun k => Rabs (t k)) row)
    (average (fun k => Rabs (t k)) row) p_row (average t row).
Proof.
intros G HK HG. unfold p_row, P_row.
apply close_weaken with (Kg * (1 + u) * G * (1 + w)) (0 * G * (1 + w)); try lra.
apply (close_rnd Double), close_average; [exact Hm|].
apply close_comp_scaled; try lra; [now apply Rinv_0_lt_compat | exact t_row_close].
Qed.

(* Ka and c: how close h is. *)
Lemma q_row_close : forall Ka c er G, 1 <= Kg -> 1 <= Ka -> 0 <= c -> 0 < exact_rstd s -> 0 < v s ->
  (forall k, exists a l, near Ka a /\ Rabs l <= c /\
     h s (z k) * (exact_rstd s / v s) = xhat s (z k) * a + l) ->
  (exists f, near (1 + er) f /\ rstd s = exact_rstd s * f) -> growth row <= G ->
  close (Ka * (Kg * (1 + u) * (1 + u)) * G * ((1 + er) * (1 + w) * (1 + w)))
        (c * (Kg * (1 + u) * (1 + u)) * G * ((1 + er) * (1 + w) * (1 + w)))
    (average (fun k => Rabs (tx k)) row) (average (fun k => Rabs (t k)) row)
    q_row (average tx row).
Proof.
intros Ka c er G HKg HKa Hc HR Hv Hh [r [Hr Er]] HG. unfold q_row.
destruct (rnd_near Double (Q_row * rho s)) as [f1 [F1 ->]].
destruct (rnd_near Double (Q_row * rho s * f1 / lift / size row)) as [f2 [F2 ->]].
replace (Q_row * rho s * f1 / lift / size row * f2)
  with (Q_row * (exact_rstd s / v s / lift) / size row * (r * f1 * f2))
  by (unfold rho; rewrite Er; field; lra).
apply close_mul; [|repeat apply near_mul; assumption].
apply close_average; [exact Hm|]. unfold Q_row.
apply close_comp_scaled; try exact HG; try nra.
- apply Rdiv_lt_0_compat; [now apply Rdiv_lt_0_compat | exact Hlift].
- intros k. destruct (Hh k) as [a [l [Ha [Hl E]]]]. unfold Q_term.
  destruct (t_row_factor k) as [f3 [F3 ->]].
  destruct (rnd_near_u (arith s) (t k * lift * f3 * h s (z k))) as [f4 [F4 ->]].
  replace (t k * lift * f3 * h s (z k) * f4 * (exact_rstd s / v s / lift))
    with (t k * (h s (z k) * (exact_rstd s / v s)) * (f3 * f4)) by (field; lra).
  rewrite E. apply close_mul; [now apply close_xhat | now apply near_mul].
Qed.

Theorem dx_row_error : forall em er G C k, (forall k, format Float (z k)) -> 1 <= Kg ->
  fair em er s -> growth row <= G ->
  dx_constant (Kg * (1 + u)) (Kg * (1 + u) * G * (1 + w))
    ((1 + sub) * (Kg * (1 + u) * (1 + u)) * G * ((1 + er) * (1 + w) * (1 + w)))
    (shift em * (Kg * (1 + u) * (1 + u)) * G * ((1 + er) * (1 + w) * (1 + w)))
    (1 + u) (1 + sub) (shift em) er C ->
  Rabs (dx_row k - exact_dx s (t k) (average t row) (average tx row) (z k)) <= C * scale_row k.
Proof.
intros em er G C k Hz HK Hs HG HC. assert (HS := Hs). destruct HS as [HR [Hem [_ [Hr [_ Hv]]]]].
eapply dx_error; try eassumption.
- exact (h_error em er s (z k) (Hz k) Hs).
- apply difference.
- apply t_row_close.
- now apply p_row_close.
- apply q_row_close; try assumption; try lra.
  + unfold shift. nra.
  + intros j. exact (h_error em er s (z j) (Hz j) Hs).
Qed.

Theorem dx_rms_error : forall er G C k, (forall k, format Float (z k)) -> 1 <= Kg ->
  fair_rms er s -> growth row <= G ->
  dx_constant (Kg * (1 + u)) 1 ((1 + w) * (Kg * (1 + u) * (1 + u)) * G * ((1 + er) * (1 + w) * (1
    + w)))
    (0 * (Kg * (1 + u) * (1 + u)) * G * ((1 + er) * (1 + w) * (1 + w))) 1 (1 + w) 0 er C ->
  Rabs (dx_rms k - exact_dx s (t k) 0 (average tx row) (z k)) <= C * scale_row k.
Proof.
intros er G C k Hz HK Hs HG HC. assert (HS := Hs). destruct HS as [HR [_ [_ [Hr Hv]]]].
eapply dx_error; try eassumption.
- exact (h_rms er s (z k) (Hz k) Hs).
- apply difference_rms. apply rnd_format.
- apply t_row_close.
- assert (H : 0 <= average (fun k => Rabs (t k)) row).
  { unfold average, Rdiv. apply Rmult_le_pos.
    - apply sum_pos, every_all. intros j. apply Rabs_pos.
    - apply Rlt_le, Rinv_0_lt_compat, Hm. }
  unfold close. rewrite Rminus_eq_0, Rabs_R0. lra.
- apply q_row_close; try assumption; try lra. intros j. exact (h_rms er s (z j) (Hz j) Hs).
Qed.
End Rows.

(* ---- Channels: dbeta of all kinds; BATCH, INSTANCE, GROUP ---- *)

(* The sums of one plane: P, and Q * rho / 2^24. *)
Section Plane.
Variable value : Type.
Variables z dy : value -> R.
Variable plane : tree value.
Variable s : statistic.

Definition Q_plane_term (k : value) := rnd (arith s) (dy k * (h s (z k) * bpow radix2 24)).
Definition P_plane := comp dy plane.
Definition Q_plane := rnd Double (comp Q_plane_term plane * rho s) / bpow radix2 24.

Lemma P_plane_close : forall G, growth plane <= G ->
  close (1 * G) 0 (sum (fun k => Rabs (dy k)) plane) (sum (fun k => Rabs (dy k)) plane)
    P_plane (sum dy plane).
Proof.
intros G HG. apply close_weaken with (1 * G) (0 * G); try lra.
apply close_comp; try lra. apply every_all. intros k.
generalize (close_refl (dy k)) (Rabs_pos (dy k)). unfold close. intuition lra.
Qed.

Lemma Q_plane_close : forall em er G, (forall k, format Float (z k)) -> fair em er s ->
  growth plane <= G ->
  close ((1 + sub) * (1 + u) * G * ((1 + er) * (1 + w)))
        (shift em * (1 + u) * G * ((1 + er) * (1 + w)))
    (sum (fun k => Rabs (dy k * xhat s (z k))) plane) (sum (fun k => Rabs (dy k)) plane)
    Q_plane (sum (fun k => dy k * xhat s (z k)) plane).
Proof.
intros em er G Hz Hs HG. assert (HS := Hs). destruct HS as [HR [Hem [_ [[r [Hr Er]] [_ Hv]]]]].
assert (Hb : 0 < bpow radix2 24) by apply bpow_gt_0.
assert (Hc : 0 <= shift em) by (unfold shift; nra).
unfold Q_plane. destruct (rnd_near Double (comp Q_plane_term plane * rho s)) as [f1 [F1 ->]].
replace (comp Q_plane_term plane * rho s * f1 / bpow radix2 24)
  with (comp Q_plane_term plane * (exact_rstd s / v s / bpow radix2 24) * (r * f1))
  by (unfold rho; rewrite Er; field; lra).
apply close_mul; [|now apply near_mul].
apply close_comp_scaled; try exact HG; try nra.
- apply Rdiv_lt_0_compat; [now apply Rdiv_lt_0_compat | exact Hb].
- intros k. destruct (h_error em er s (z k) (Hz k) Hs) as [a [l [Ha [Hl E]]]].
  unfold Q_plane_term.
  destruct (rnd_near_u (arith s) (dy k * (h s (z k) * bpow radix2 24))) as [f2 [F2 ->]].
  replace (dy k * (h s (z k) * bpow radix2 24) * f2 * (exact_rstd s / v s / bpow radix2 24))
    with (dy k * (h s (z k) * (exact_rstd s / v s)) * f2) by (field; lra).
  rewrite E. apply close_mul; [now apply close_xhat | exact F2].
Qed.
End Plane.

Arguments P_plane {value} _ _.
Arguments Q_plane {value} _ _ _ _.

(* The stored float: of the sum, or of old + sum with accumulate. *)
Definition store (x : R) := rnd Float x.
Definition accumulate (old x : R) := rnd Float (rnd Double (old + x)).

Lemma close_accumulate : forall K b B T c x old, close K b B T c x ->
  close (K * (1 + w) * (1 + u)) (b * (1 + w) * (1 + u)) (B + Rabs old) T (accumulate old c) (old
    + x).
Proof.
intros K b B T c x old [H1 [H2 [H3 [H4 H5]]]]. unfold accumulate.
apply (close_rnd Float), (close_rnd Double). unfold close. generalize (Rabs_pos old). intros O.
replace (old + c - (old + x)) with (c - x) by ring. repeat split; try assumption.
- assert (0 <= (K - 1) * Rabs old) by nra. lra.
- eapply Rle_trans; [apply Rabs_triang | lra].
Qed.

(* A bound on the scale B + T, with B at least |x|. *)
Lemma close_bound : forall K b B T c x C, close K b B T c x -> K - 1 <= C -> b <= C ->
  Rabs (c - x) <= C * (B + T).
Proof.
intros K b B T c x C [H1 [H2 [H3 [H4 H5]]]] HK Hb.
assert (0 <= B) by (generalize (Rabs_pos x); lra).
assert ((K - 1) * B <= C * B) by now apply Rmult_le_compat_r.
assert (b * T <= C * T) by now apply Rmult_le_compat_r. lra.
Qed.

Lemma close_alone : forall K B T c x, close K 0 B T c x -> close K 0 B 0 c x.
Proof. intros K B T c x. unfold close. intuition lra. Qed.

Theorem store_error : forall K b B T c x C, close K b B T c x ->
  K * (1 + w) * (1 + u) - 1 <= C -> b * (1 + w) * (1 + u) <= C ->
  Rabs (store c - x) <= C * (B + T) /\
  forall old, Rabs (accumulate old c - (old + x)) <= C * (B + T + Rabs old).
Proof.
intros K b B T c x C H HK Hb. assert (H' := H). destruct H' as [_ [_ [K1 [b0 _]]]]. split.
- eapply close_bound; [apply (close_rnd Float); exact H | |]; simpl unit; nra.
- intros old. replace (B + T + Rabs old) with (B + Rabs old + T) by ring.
  eapply close_bound; [apply close_accumulate; exact H | exact HK | exact Hb].
Qed.

(* dbeta of all kinds, dgamma of channels: planes in order and in double. Of a list that is one sum
   the outer tree is a leaf. Each plane has its own statistic. *)
Section Planes.
Variables value plane : Type.
Variables z dy : value -> R.
Variable values : plane -> tree value.
Variable samples : tree plane.
Variable s : plane -> statistic.

Definition over (f : plane -> value -> R) := sum (fun c => sum (f c) (values c)) samples.
Definition dbeta_sum := comp (fun c => P_plane dy (values c)) samples.
Definition dgamma_sum := comp (fun c => Q_plane z dy (values c) (s c)) samples.
Definition exact_dbeta := over (fun _ k => dy k).
Definition exact_dgamma := over (fun c k => dy k * xhat (s c) (z k)).
Definition dbeta_scale := over (fun _ k => Rabs (dy k)).
Definition dgamma_scale := over (fun c k => Rabs (dy k) * (1 + Rabs (xhat (s c) (z k)))).

Lemma over_split :
  dgamma_scale = over (fun c k => Rabs (dy k * xhat (s c) (z k))) + dbeta_scale.
Proof.
unfold dgamma_scale, dbeta_scale, over. rewrite <- sum_plus. apply sum_ext, every_all. intros c.
rewrite <- sum_plus. apply sum_ext, every_all. intros k. rewrite Rabs_mult. ring.
Qed.

Lemma dbeta_close : forall G H, 1 <= G -> (forall c, growth (values c) <= G) ->
  growth samples <= H ->
  close (1 * G * H) 0 dbeta_scale dbeta_scale dbeta_sum exact_dbeta.
Proof.
intros G H G1 HG HH. apply close_weaken with (1 * G * H) (0 * H); try lra.
apply close_comp; try lra. apply every_all. intros c. now apply P_plane_close.
Qed.

Lemma dgamma_close : forall em er G H, (forall k, format Float (z k)) -> 0 <= er -> 1 <= G ->
  0 <= em -> (forall c, fair em er (s c)) -> (forall c, growth (values c) <= G) -> growth samples
    <= H ->
  close ((1 + sub) * (1 + u) * G * ((1 + er) * (1 + w)) * H)
        (shift em * (1 + u) * G * ((1 + er) * (1 + w)) * H)
    (over (fun c k => Rabs (dy k * xhat (s c) (z k)))) dbeta_scale dgamma_sum exact_dgamma.
Proof.
intros em er G H Hz Her G1 Hem Hs HG HH.
assert (Hc : 0 <= shift em) by (unfold shift; nra).
assert (1 <= (1 + er) * (1 + w)) by nra.
assert (1 <= G * ((1 + er) * (1 + w))) by nra.
apply close_comp; [nra | | | exact HH].
- repeat apply Rmult_le_pos; nra.
- apply every_all. intros c. now apply Q_plane_close.
Qed.

Theorem dbeta_error : forall G H C, 1 <= G -> (forall c, growth (values c) <= G) ->
  growth samples <= H -> 1 * G * H * (1 + w) * (1 + u) - 1 <= C ->
  Rabs (store dbeta_sum - exact_dbeta) <= C * dbeta_scale /\
  forall old, Rabs (accumulate old dbeta_sum - (old + exact_dbeta)) <= C * (dbeta_scale + Rabs old).
Proof.
intros G H C G1 HG HH HC. replace dbeta_scale with (dbeta_scale + 0) by ring.
assert (E := close_alone _ _ _ _ _ (dbeta_close G H G1 HG HH)).
apply store_error with (1 := E); [exact HC|]. destruct E as [_ [_ [E _]]]. nra.
Qed.

Theorem dgamma_error : forall em er G H C, (forall k, format Float (z k)) -> 0 <= er -> 0 <= em ->
  1 <= G -> (forall c, fair em er (s c)) -> (forall c, growth (values c) <= G) ->
  growth samples <= H ->
  (1 + sub) * (1 + u) * G * ((1 + er) * (1 + w)) * H * (1 + w) * (1 + u) - 1 <= C ->
  shift em * (1 + u) * G * ((1 + er) * (1 + w)) * H * (1 + w) * (1 + u) <= C ->
  Rabs (store dgamma_sum - exact_dgamma) <= C * dgamma_scale /\
  forall old, Rabs (accumulate old dgamma_sum - (old + exact_dgamma)) <=
    C * (dgamma_scale + Rabs old).
Proof.
intros em er G H C Hz Her Hem G1 Hs HG HH C1 C2. rewrite over_split.
eapply store_error; [now apply dgamma_close with (em := em) (er := er) (G := G) (H := H) | |];
  assumption.
Qed.
End Planes.

(* dx where the channel has gamma, from p and q. *)
Lemma dx_channel_error : forall em er Kp Kq bq C Kg s lift dy gamma g p P q Q T0 T1 z,
  format Float z -> fair em er s -> 0 < lift ->
  (exists f, near Kg f /\ g = gamma * f) ->
  close Kp 0 T0 T0 p P -> close Kq bq T1 T0 q Q ->
  dx_constant (Kg * (1 + u)) Kp Kq bq (1 + u) (1 + sub) (shift em) er C ->
  Rabs (dx s lift (rnd (arith s) (dy * (g * lift))) p q z - exact_dx s (dy * gamma) P Q z)
    <= C * dx_scale s (dy * gamma) T0 T1 z.
Proof.
intros em er Kp Kq bq C Kg s lift dy gamma g p P q Q T0 T1 z Hz Hs Hl [f [F ->]] Hp Hq HC.
assert (HS := Hs). destruct HS as [HR [_ [_ [Hr [_ Hv]]]]].
eapply dx_error; try eassumption.
- exact (h_error em er s z Hz Hs).
- apply difference.
- destruct (rnd_near_u (arith s) (dy * (gamma * f * lift))) as [f1 [F1 ->]].
  replace (dy * (gamma * f * lift) * f1 / lift) with (dy * gamma * (f * f1)) by (field; lra).
  now apply close_factor, near_mul.
Qed.

(* Sums of dy * gamma and of dy * gamma * xhat are gamma times those without. *)
Lemma sum_gamma : forall A (f : A -> R) gamma s, sum (fun k => f k * gamma) s = gamma * sum f s.
Proof. intros A f gamma s. rewrite sum_scal_r. ring. Qed.

Lemma sum_abs_gamma : forall A (f : A -> R) gamma s,
  sum (fun k => Rabs (f k * gamma)) s = Rabs gamma * sum (fun k => Rabs (f k)) s.
Proof.
intros A f gamma s. rewrite <- sum_scal. apply sum_ext, every_all. intros k.
rewrite Rabs_mult. ring.
Qed.

Lemma sum_gamma_x : forall A (f x : A -> R) gamma s,
  sum (fun k => f k * gamma * x k) s = gamma * sum (fun k => f k * x k) s.
Proof. intros A f x gamma s. rewrite <- sum_scal. apply sum_ext, every_all. intros k. ring. Qed.

Lemma sum_abs_gamma_x : forall A (f x : A -> R) gamma s,
  sum (fun k => Rabs (f k * gamma * x k)) s = Rabs gamma * sum (fun k => Rabs (f k * x k)) s.
Proof.
intros A f x gamma s. rewrite <- sum_scal. apply sum_ext, every_all. intros k.
rewrite <- Rabs_mult. f_equal. ring.
Qed.

(* g is gamma + gamma_offset, rounded or not. *)
Lemma close_gamma : forall K b B T c x gamma g Kg, close K b B T c x ->
  (exists f, near Kg f /\ g = gamma * f) ->
  close (K * Kg) (b * Kg) (Rabs gamma * B) (Rabs gamma * T) (g * c) (gamma * x).
Proof.
intros K b B T c x gamma g Kg H [f [F ->]].
replace (gamma * f * c) with (gamma * c * f) by ring.
apply close_mul; [now apply close_times | exact F].
Qed.

(* BATCH without affine_per_sample: p = g * (P / m), q = g * (Q / m). P and Q are those of one list,
   or of nrm_merge_sums over shares. *)
Section Batch.
Variables value share : Type.
Variables z dy : value -> R.
Variable values : share -> tree value.
Variable shares : tree share.      (* a leaf, if there is one list *)
Variable s : statistic.
Variables gamma g lift Kg : R.
Hypothesis Hg : exists f, near Kg f /\ g = gamma * f.
Hypothesis Hlift : 0 < lift.

Definition m_batch := over value share values shares (fun _ _ => 1).
Definition p_batch :=
  rnd Double (g * rnd Double (dbeta_sum value share dy values shares / m_batch)).
Definition q_batch :=
  rnd Double (g * rnd Double (dgamma_sum value share z dy values shares (fun _ => s) / m_batch)).
Definition dx_batch (k : value) :=
  dx s lift (rnd (arith s) (dy k * (g * lift))) p_batch q_batch (z k).

Definition t_batch (k : value) := dy k * gamma.
Definition tx_batch (k : value) := dy k * gamma * xhat s (z k).
Definition average_batch (f : value -> R) := over value share values shares (fun _ => f) / m_batch.
Definition scale_batch (k : value) := dx_scale s (t_batch k)
  (average_batch (fun k => Rabs (t_batch k))) (average_batch (fun k => Rabs (tx_batch k))) (z k).

Lemma average_batch_scaled : forall f g k, (forall s, sum f s = k * sum g s) ->
  average_batch f = k * (over value share values shares (fun _ => g) * / m_batch).
Proof.
intros f h k H. unfold average_batch, over, Rdiv. rewrite <- Rmult_assoc. f_equal.
rewrite <- sum_scal. apply sum_ext, every_all. intros c. apply H.
Qed.

Theorem dx_batch_error : forall em er G H C k, (forall k, format Float (z k)) -> fair em er s ->
  0 <= er -> 1 <= G -> 0 < m_batch -> (forall c, growth (values c) <= G) -> growth shares <= H ->
  dx_constant (Kg * (1 + u)) (1 * G * H * (1 + w) * Kg * (1 + w))
    ((1 + sub) * (1 + u) * G * ((1 + er) * (1 + w)) * H * (1 + w) * Kg * (1 + w))
    (shift em * (1 + u) * G * ((1 + er) * (1 + w)) * H * (1 + w) * Kg * (1 + w))
    (1 + u) (1 + sub) (shift em) er C ->
  Rabs (dx_batch k - exact_dx s (t_batch k) (average_batch t_batch) (average_batch tx_batch) (z k))
    <= C * scale_batch k.
Proof.
intros em er G H C k Hz Hs Her G1 Hm HG HH HC. unfold dx_batch, scale_batch.
assert (Hi : 0 <= / m_batch) by (apply Rlt_le, Rinv_0_lt_compat, Hm).
assert (Hem : 0 <= em) by (destruct Hs as [_ [Hem _]]; exact Hem).
eapply dx_channel_error; try eassumption; [now apply Hz | |].
- unfold p_batch, t_batch.
  rewrite (average_batch_scaled _ _ _ (sum_gamma _ dy gamma)),
    (average_batch_scaled _ _ _ (sum_abs_gamma _ dy gamma)).
  apply close_weaken with (1 * G * H * (1 + w) * Kg * (1 + w)) (0 * (1 + w) * Kg * (1 + w));
    try lra.
  apply (close_rnd Double), close_gamma; [|exact Hg].
  apply (close_rnd Double), close_scale; [exact Hi|].
  now apply (dbeta_close value share dy values shares).
- unfold q_batch, t_batch, tx_batch.
  rewrite (average_batch_scaled _ _ _ (sum_gamma_x _ dy (fun k => xhat s (z k)) gamma)),
    (average_batch_scaled _ _ _ (sum_abs_gamma_x _ dy (fun k => xhat s (z k)) gamma)),
    (average_batch_scaled _ _ _ (sum_abs_gamma _ dy gamma)).
  apply (close_rnd Double), close_gamma; [|exact Hg].
  apply (close_rnd Double), close_scale; [exact Hi|].
  now apply (dgamma_close value share z dy values shares (fun _ => s)).
Qed.
End Batch.

(* INSTANCE and GROUP, and BATCH with affine_per_sample: each plane's P and Q are multiplied by its
   g, and these are added in order and in double. A plane is a channel of the group, or a sample. *)
Section Weighted.
Variables value plane : Type.
Variables z dy : value -> R.
Variable values : plane -> tree value.
Variable group : tree plane.
Variable s : statistic.
Variables gamma g : plane -> R.
Variables lift Kg : R.
Hypothesis Hg : forall c, exists f, near Kg f /\ g c = gamma c * f.
Hypothesis Hlift : 0 < lift.

Definition m_group := sum (fun c => size (values c)) group.
Definition p_group :=
  rnd Double (comp (fun c => rnd Double (g c * P_plane dy (values c))) group / m_group).
Definition q_group :=
  rnd Double (comp (fun c => rnd Double (g c * Q_plane z dy (values c) s)) group / m_group).
Definition dx_group (c : plane) (k : value) :=
  dx s lift (rnd (arith s) (dy k * (g c * lift))) p_group q_group (z k).

Definition t_group (c : plane) (k : value) := dy k * gamma c.
Definition tx_group (c : plane) (k : value) := dy k * gamma c * xhat s (z k).
Definition average_group (f : plane -> value -> R) :=
  sum (fun c => sum (f c) (values c)) group / m_group.
Definition scale_group (c : plane) (k : value) := dx_scale s (t_group c k)
  (average_group (fun c k => Rabs (t_group c k))) (average_group (fun c k => Rabs (tx_group c k)))
  (z k).

Theorem dx_group_error : forall em er G H C c k, (forall k, format Float (z k)) -> fair em er s ->
  0 < m_group -> 1 <= Kg -> 1 <= G -> (forall c, growth (values c) <= G) -> growth group <= H ->
  dx_constant (Kg * (1 + u)) (1 * G * Kg * (1 + w) * H * (1 + w))
    ((1 + sub) * (1 + u) * G * ((1 + er) * (1 + w)) * Kg * (1 + w) * H * (1 + w))
    (shift em * (1 + u) * G * ((1 + er) * (1 + w)) * Kg * (1 + w) * H * (1 + w))
    (1 + u) (1 + sub) (shift em) er C ->
  Rabs (dx_group c k -
        exact_dx s (t_group c k) (average_group t_group) (average_group tx_group) (z k))
    <= C * scale_group c k.
Proof.
intros em er G H C c k Hz Hs Hm HK G1 HG HH HC. unfold dx_group, scale_group.
assert (Hi : 0 <= / m_group) by (apply Rlt_le, Rinv_0_lt_compat, Hm).
assert (HS := Hs). destruct HS as [_ [Hem [_ [[r [Hr _]] _]]]]. assert (Er := near_ge1 _ _ Hr).
assert (Hc : 0 <= shift em) by (unfold shift; nra).
assert (Ge : 0 <= G * ((1 + er) * (1 + w))) by (apply Rmult_le_pos; nra).
eapply dx_channel_error; try eassumption; [now apply Hz | now apply Hg | |].
- unfold p_group, average_group, Rdiv.
  apply close_weaken with (1 * G * Kg * (1 + w) * H * (1 + w)) (0 * G * Kg * (1 + w) * H * (1 + w));
    try lra.
  apply (close_rnd Double), close_scale; [exact Hi|].
  apply close_comp; [nra | lra | | exact HH]. apply every_all. intros d.
  unfold t_group. rewrite sum_gamma, sum_abs_gamma.
  apply close_weaken with (1 * G * Kg * (1 + w)) (0 * Kg * (1 + w)); try lra.
  apply (close_rnd Double), close_gamma; [|now apply Hg]. now apply P_plane_close.
- unfold q_group, average_group, Rdiv.
  apply (close_rnd Double), close_scale; [exact Hi|].
  apply close_comp; [ | | | exact HH].
  + assert (1 <= G * ((1 + er) * (1 + w))) by nra.
    assert (1 <= (1 + sub) * (1 + u) * (G * ((1 + er) * (1 + w)))) by nra.
    assert (1 <= (1 + sub) * (1 + u) * (G * ((1 + er) * (1 + w))) * Kg) by nra. nra.
  + repeat apply Rmult_le_pos; nra.
  + apply every_all. intros d. unfold t_group, tx_group.
    rewrite (sum_gamma_x _ dy (fun k => xhat s (z k))),
      (sum_abs_gamma_x _ dy (fun k => xhat s (z k))), sum_abs_gamma.
    apply (close_rnd Double), close_gamma; [|now apply Hg]. now apply Q_plane_close.
Qed.
End Weighted.

(* ---- Sums over rows ---- *)

(* dgamma of LAYER and RMS: the values are of many rows, each with its statistic. *)
Section Dgamma_rows.
Variable value : Type.
Variables z dy : value -> R.
Variable s : value -> statistic.
Variable list : tree value.

Definition xhat_row (s : statistic) (z : R) :=
  let r := rnd (arith s) in in_float s (r (centred s z * r (rstd s))) (h s z).
Definition dgamma_term (k : value) := rnd (arith (s k)) (dy k * xhat_row (s k) (z k)).
Definition dgamma_row := comp dgamma_term list.
Definition exact_dgamma_row := sum (fun k => dy k * xhat (s k) (z k)) list.
Definition dgamma_row_scale := sum (fun k => Rabs (dy k) * (1 + Rabs (xhat (s k) (z k)))) list.

Lemma dgamma_row_split : dgamma_row_scale =
  sum (fun k => Rabs (dy k * xhat (s k) (z k))) list + sum (fun k => Rabs (dy k)) list.
Proof.
unfold dgamma_row_scale. rewrite <- sum_plus. apply sum_ext, every_all. intros k.
rewrite Rabs_mult. ring.
Qed.

Lemma xhat_row_factor : forall s z, 0 < v s -> exists f, near ((1 + u) * (1 + u)) f /\
  xhat_row s z = h s z * (rstd s / v s) * f.
Proof.
intros s' z' Hv. unfold xhat_row, h, v, in_float in *. destruct (arith s').
- destruct (rnd_near Float (rstd s')) as [f [F ->]].
  destruct (rnd_near Float (centred s' z' * (rstd s' * f))) as [g [G ->]].
  exists (f * g). split; [now apply near_mul | field; lra].
- exists 1. split; [unfold near; rewrite Rminus_eq_0, Rabs_R0; lra | field; lra].
Qed.

Theorem dgamma_row_error : forall Ka c er G C, 1 <= Ka -> 0 <= c -> 0 <= er -> 1 <= G ->
  (forall k, 0 < exact_rstd (s k) /\ 0 < v (s k) /\
    (exists a l, near Ka a /\ Rabs l <= c /\
      h (s k) (z k) * (exact_rstd (s k) / v (s k)) = xhat (s k) (z k) * a + l) /\
    (exists f, near (1 + er) f /\ rstd (s k) = exact_rstd (s k) * f)) ->
  growth list <= G ->
  Ka * ((1 + er) * (1 + u) * (1 + u) * (1 + u)) * G * (1 + w) * (1 + u) - 1 <= C ->
  c * ((1 + er) * (1 + u) * (1 + u) * (1 + u)) * G * (1 + w) * (1 + u) <= C ->
  Rabs (store dgamma_row - exact_dgamma_row) <= C * dgamma_row_scale /\
  forall old, Rabs (accumulate old dgamma_row - (old + exact_dgamma_row)) <=
    C * (dgamma_row_scale + Rabs old).
Proof.
intros Ka c er G C HKa Hc Her G1 Hs HG C1 C2. rewrite dgamma_row_split.
eapply store_error; [|exact C1|exact C2].
assert (1 <= (1 + er) * (1 + u) * (1 + u) * (1 + u)) by nra.
apply close_comp; [nra | nra | | exact HG]. apply every_all. intros k.
destruct (Hs k) as [HR [Hv [[a [l [Ha [Hl E]]]] [r [Hr Er]]]]]. unfold dgamma_term.
destruct (xhat_row_factor (s k) (z k) Hv) as [f1 [F1 ->]].
destruct (rnd_near_u (arith (s k)) (dy k * (h (s k) (z k) * (rstd (s k) / v (s k)) * f1)))
  as [f2 [F2 ->]].
replace (dy k * (h (s k) (z k) * (rstd (s k) / v (s k)) * f1) * f2)
  with (dy k * (h (s k) (z k) * (exact_rstd (s k) / v (s k))) * (r * f1 * f2))
  by (rewrite Er; field; lra).
rewrite E. apply close_mul; [now apply close_xhat|].
replace ((1 + er) * (1 + u) * (1 + u) * (1 + u))
  with ((1 + er) * ((1 + u) * (1 + u)) * (1 + u)) by ring.
repeat apply near_mul; assumption.
Qed.
End Dgamma_rows.

(* ---- dx + dsum, and dx of nrm_infer_backward ---- *)

Lemma average_abs : forall A (f : A -> R) s, 0 < size s ->
  Rabs (average f s) <= average (fun k => Rabs (f k)) s.
Proof.
intros A f s H. assert (0 < / size s) by now apply Rinv_0_lt_compat.
unfold average, Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ size s)) by lra.
apply Rmult_le_compat_r; [lra|]. apply sum_abs, every_all. intros k. lra.
Qed.

(* The exact dx is within its scale. *)
Lemma exact_dx_scale : forall s t p q T0 T1 z, 0 <= exact_rstd s -> Rabs p <= T0 -> Rabs q <= T1 ->
  Rabs (exact_dx s t p q z) <= dx_scale s t T0 T1 z.
Proof.
intros s t p q T0 T1 z HR Hp Hq. unfold exact_dx, dx_scale. set (X := xhat s z).
rewrite Rabs_mult, (Rabs_pos_eq (exact_rstd s)), Rmult_assoc by exact HR.
apply Rmult_le_compat_l; [exact HR|].
unfold Rminus. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp, Rabs_mult.
eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|]. rewrite Rabs_Ropp.
generalize (Rabs_pos X) (Rabs_pos t) (Rabs_pos p) (Rabs_pos q). intros.
assert (Rabs X * Rabs q <= Rabs X * T1) by now apply Rmult_le_compat_l.
assert (0 <= Rabs X * (Rabs t + T0)) by (apply Rmult_le_pos; lra). lra.
Qed.

(* Adding dsum rounds once more: e / 2 of it, and as much of dx. *)
Theorem dsum_error : forall d x S C dsum, Rabs (d - x) <= C * S -> Rabs x <= S ->
  Rabs (rnd Float (d + dsum) - (x + dsum)) <= ((1 + C) * (1 + u) - 1) * S + u * Rabs dsum.
Proof.
intros d x S C dsum H HS.
replace (rnd Float (d + dsum) - (x + dsum))
  with ((rnd Float (d + dsum) - (d + dsum)) + (d - x)) by ring.
eapply Rle_trans; [apply Rabs_triang|].
assert (E := rnd_error Float (d + dsum)). simpl in E.
assert (Rabs (d + dsum) <= C * S + S + Rabs dsum).
{ replace (d + dsum) with ((d - x) + x + dsum) by ring.
  eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat_r.
  eapply Rle_trans; [apply Rabs_triang | lra]. }
lra.
Qed.

(* (dy' * r) * w, with r = (float)(a * 2^n), w = 2^-n, a = g * rstd in double: n is 0 or 100. The
   rstd is in double from the running variance, which is what it is. *)
Definition dx_frozen (dy g rstd : R) (n : Z) :=
  let a := rnd Float (rnd Double (g * rstd) * bpow radix2 n) in
  rnd Float (rnd Float (dy * a) * bpow radix2 (- n)).

Theorem dx_frozen_error : forall dy gamma g R0 rstd er Kg n C,
  0 <= R0 -> (exists f, near Kg f /\ g = gamma * f) ->
  (exists f, near (1 + er) f /\ rstd = R0 * f) ->
  Kg * (1 + er) * (1 + w) * (1 + u) * (1 + u) - 1 <= C ->
  Rabs (dx_frozen dy g rstd n - R0 * (dy * gamma)) <= C * (R0 * Rabs (dy * gamma)).
Proof.
intros dy gamma g R0 rstd er Kg n C HR [f [F ->]] [r [Fr ->]] HC. unfold dx_frozen. cbv zeta.
rewrite rnd_scale, (rnd_id Float (rnd Float _)) by apply rnd_format.
destruct (rnd_near Double (gamma * f * (R0 * r))) as [f1 [F1 ->]].
destruct (rnd_near Float (gamma * f * (R0 * r) * f1 * bpow radix2 n)) as [f2 [F2 ->]].
destruct (rnd_near Float (dy * (gamma * f * (R0 * r) * f1 * bpow radix2 n * f2))) as [f3 [F3 ->]].
replace (dy * (gamma * f * (R0 * r) * f1 * bpow radix2 n * f2) * f3 * bpow radix2 (- n))
  with (R0 * (dy * gamma) * (f * r * f1 * f2 * f3) * (bpow radix2 n * bpow radix2 (- n))) by ring.
rewrite <- bpow_plus, Z.add_opp_diag_r. simpl (bpow radix2 0). rewrite Rmult_1_r.
assert (N : near (Kg * (1 + er) * (1 + w) * (1 + u) * (1 + u)) (f * r * f1 * f2 * f3))
  by (repeat apply near_mul; assumption).
unfold near in N. set (x := R0 * (dy * gamma)). set (k := f * r * f1 * f2 * f3) in *.
replace (x * k - x) with ((k - 1) * x) by ring. rewrite Rabs_mult. unfold x.
rewrite (Rabs_mult R0), (Rabs_pos_eq R0) by exact HR.
apply Rmult_le_compat_r; [apply Rmult_le_pos; [exact HR | apply Rabs_pos] | lra].
Qed.

(* ---- Joined: from the lists to what is stored ----------------------------------------------- *)

(* A list as the code sums it: blocks are trees, in float or in double, and of them 2^22
   additions in double above one another at most (runs, planes; a plane may have 2^32 values).
   Blocks of 8 are lower. *)
Definition usual {A} (planes : list (list (list (tree A)))) :=
  (exists a, every_block (within a block_height) planes) /\
  exists n, INR n <= 4194304 /\ additions_within n planes.

(* What is in double alone: samples, channels of a group, shares. *)
Definition in_double {A} (s : tree A) := exists n, INR n <= 4194304 /\ within Double n s.

Definition list_growth := (1 + u) ^ block_height * (1 + u / 127).

Lemma usual_growth : forall A (planes : list (list (list (tree A)))), usual planes ->
  growth (total Double planes) <= list_growth.
Proof.
intros A planes [[a HB] [n [Hn HA]]]. eapply Rle_trans;
  [exact (total_growth A a Double block_height n planes HB HA)|].
assert (P := unit_pos a). assert (U := unit_small a).
apply Rmult_le_compat; try (apply pow_le; simpl unit; lra).
- apply pow_incr. lra.
- now apply double_growth.
Qed.

Lemma double_tree_growth : forall A (s : tree A), in_double s -> growth s <= 1 + u / 127.
Proof.
intros A s [n [Hn H]]. eapply Rle_trans; [exact (growth_within A Double n s H)|].
now apply double_growth.
Qed.

(* A single list is a leaf; in order is a chain. *)
Lemma leaf_in_double : forall A (a : A), in_double (Leaf a).
Proof. intros A a. exists O. simpl. lra. Qed.

Lemma chain_in_double : forall A (l : list A), INR (length l) <= 4194304 ->
  in_double (chain Double (map Leaf l)).
Proof.
intros A l H. exists (length l). split; [exact H|]. clear H. unfold chain.
assert (G : forall (l : list A) n s, within Double n s ->
  within Double (n + length l) (fold_left (Node Double) (map Leaf l) s)).
{ clear l. induction l as [| a l IH]; intros n s Hs; simpl; [now rewrite Nat.add_0_r|].
  replace (n + S (length l))%nat with (S n + length l)%nat by lia. apply IH. repeat split;
    [exact Hs | destruct n; exact I]. }
apply (G l O Empty). exact I.
Qed.

(* Statistics: float sums around a pilot K, and the acceptance test lets them stand. *)
Definition S1 (K : R) (L : tree R) := comp (fun z => rnd Float (z - K)) L.
Definition S2 (K : R) (L : tree R) :=
  comp (fun z => rnd Float (rnd Float (z - K) * rnd Float (z - K))) L.

Definition measured (L : tree R) (K eps : R) (exponent : Z) (a : type) : statistic :=
  Statistic (Statistics.x_mean L) (1 / sqrt (Statistics.x_var L + eps))
    (Statistics.f_mean (S1 K L) (size L) K) (Statistics.f_rstd (S1 K L) (S2 K L) (size L) eps)
    exponent a.

Definition accepted (L : tree R) (K eps : R) :=
  0 < size L /\ 0 <= eps /\ 0 < Statistics.f_var_eps (S1 K L) (S2 K L) (size L) eps /\
  Statistics.f_accepted (S1 K L) (S2 K L) (size L) eps.

(* Float is taken where |mean| * rstd, in double, is at most 2^25. A double holds the mean: where it
   is more than 2^32 deviations nothing is claimed. *)
Definition comfortable (s : statistic) :=
  in_float s (rnd Double (Rabs (mean s) * rstd s) <= mean_limit)
    (Rabs (mean s) * exact_rstd s <= 2 ^ 32).

Notation em := (18 * u).
Notation er := (1331 / 100 * u).

(* x is the mean before it is rounded to a double. *)
Lemma rounded_fair : forall s x r, 0 < exact_rstd s ->
  Rabs (exact_mean s - x) * exact_rstd s <= 981 / 100 * u -> mean s = rnd Double x ->
  Rabs r <= er -> rstd s = exact_rstd s * (1 + r) -> comfortable s -> fair em er s.
Proof.
intros s x r HR Hx Em Hr Er Hc. set (R0 := exact_rstd s) in *.
assert (Br := Statistics.abs_le _ _ Hr).
assert (P0 : 0 <= Rabs (mean s) * R0) by (apply Rmult_le_pos; [apply Rabs_pos | lra]).
assert (HF : arith s = Float -> Rabs (mean s) * R0 <= 33556000).
{ intros HA. unfold comfortable, in_float in Hc. rewrite HA, Er in Hc.
  destruct (rnd_ex Double (Rabs (mean s) * (R0 * (1 + r)))) as [d [Bd Ed]]. rewrite Ed in Hc.
  simpl unit in Bd. apply Statistics.abs_le in Bd. unfold mean_limit in Hc.
  replace (Rabs (mean s) * (R0 * (1 + r)) * (1 + d))
    with (Rabs (mean s) * R0 * ((1 + r) * (1 + d))) in Hc by ring.
  set (a := Rabs (mean s) * R0) in *.
  assert (1 - 14 * u <= (1 + r) * (1 + d)) by (clear - Br Bd; nra).
  assert (a * (1 - 14 * u) <= a * ((1 + r) * (1 + d))) by now apply Rmult_le_compat_l. lra. }
assert (HM : Rabs (mean s) * R0 <= 2 ^ 32).
{ unfold comfortable, in_float in Hc. destruct (arith s); [specialize (HF eq_refl);
    lra | exact Hc]. }
assert (E : Rabs ((exact_mean s - mean s) * R0) <= em).
{ destruct (rnd_ex Double x) as [d [Bd Ed]]. simpl unit in Bd.
  assert (Bd' := Statistics.abs_le _ _ Bd).
  rewrite Em, Ed in HM. rewrite Em, Ed.
  rewrite Rabs_mult, (Rabs_pos_eq (1 + d)) in HM by lra.
  assert (P1 : 0 <= Rabs x * R0) by (apply Rmult_le_pos; [apply Rabs_pos | lra]).
  assert (HX : Rabs x * R0 <= 2 ^ 32 * (1 + 2 * w)).
  { assert (Rabs x * R0 * (1 - w) <= Rabs x * R0 * (1 + d))
      by (apply Rmult_le_compat_l; lra). lra. }
  rewrite Rabs_mult, (Rabs_pos_eq R0) by lra.
  replace (exact_mean s - x * (1 + d)) with ((exact_mean s - x) + - (x * d)) by ring.
  apply Rle_trans with ((Rabs (exact_mean s - x) + Rabs (x * d)) * R0).
  - apply Rmult_le_compat_r; [lra|]. eapply Rle_trans; [apply Rabs_triang|].
    rewrite Rabs_Ropp. lra.
  - rewrite Rabs_mult. assert (Rabs x * R0 * Rabs d <= 2 ^ 32 * (1 + 2 * w) * w)
      by (apply Rmult_le_compat; try apply Rabs_pos; assumption). lra. }
repeat split; try assumption; try lra.
- exists (1 + r). split; [|exact Er]. unfold near. replace (1 + r - 1) with r by ring. lra.
- unfold v, in_float. destruct (arith s); [apply bpow_gt_0|]. rewrite Er. apply Rmult_lt_0_compat;
    lra.
Qed.

Lemma list_growth_small : 1 <= list_growth <= 1 + 14 * unit Float.
Proof. unfold list_growth, block_height. simpl. lra. Qed.

Lemma summed_usual : forall planes f, usual planes -> let L := total Double planes in
  Statistics.summed L list_growth f (comp f L).
Proof.
intros planes f HU L x a k Hk H. eapply Rle_trans; [now apply tree_error with (a := a) (k := k)|].
apply Rmult_le_compat_r.
- apply sum_pos. eapply every_impl; [|exact H]. intros y [_ Hy]. generalize (Rabs_pos (x y)). lra.
- assert (growth L <= list_growth) by now apply usual_growth. nra.
Qed.

Theorem measured_fair : forall planes K eps e a, usual planes -> let L := total Double planes in
  accepted L K eps -> comfortable (measured L K eps e a) -> fair em er (measured L K eps e a).
Proof.
intros planes K eps e a HU L [Hm [Heps [HT Ha]]] Hc.
assert (Hg := list_growth_small).
assert (HS := fun f => summed_usual planes f HU). fold L in HS.
assert (H1 := HS (fun z => rnd Float (z - K))).
assert (H2 := HS (fun z => rnd Float (rnd Float (z - K) * rnd Float (z - K)))).
destruct (Statistics.rstd Float L K eps list_growth _ _ Hm Heps Hg H1 H2 HT Ha) as [HP [r [Hr Er]]].
assert (Hd := Statistics.mean Float L K eps list_growth _ _ Hm Heps Hg H1 H2 HT Ha).
fold (S1 K L) in *. fold (S2 K L) in *.
assert (Pq := sqrt_lt_R0 _ HP).
apply rounded_fair with (x := K + Statistics.f_dm (S1 K L) (size L)) (r := r); try assumption.
- apply Rdiv_lt_0_compat; lra.
- unfold measured. cbn [exact_mean exact_rstd]. rewrite Rabs_minus_sym.
  set (q := sqrt _) in *.
  apply Rle_trans with (981 / 100 * u * q * (1 / q)); [|right; field; lra].
  apply Rmult_le_compat_r; [apply Rlt_le, Rdiv_lt_0_compat; lra|].
  eapply Rle_trans; [exact Hd|]. apply Rmult_le_compat_r; [lra|].
  unfold Statistics.mean_limit_of_list, list_growth, block_height. simpl. lra.
- reflexivity.
- eapply Rle_trans; [exact Hr|].
  unfold Statistics.rstd_limit, Statistics.variance_error, list_growth, block_height. simpl. lra.
Qed.

(* RMS: the mean square alone, K and dm are 0. *)
Definition S2_rms (L : tree R) := comp (fun z => rnd Float (z * z)) L.
Definition var_eps_rms (L : tree R) (eps : R) := rnd Double (rnd Double (S2_rms L / size L) + eps).
Definition measured_rms (L : tree R) (eps : R) (exponent : Z) (a : type) : statistic :=
  Statistic 0 (1 / sqrt (sum (fun z => z ^ 2) L / size L + eps)) 0
    (rnd Double (1 / rnd Double (sqrt (var_eps_rms L eps)))) exponent a.

Notation er_rms := (401 / 100 * u).

Theorem measured_rms_fair : forall planes eps e a, usual planes -> let L := total Double planes in
  0 < size L -> 0 <= eps -> 0 < var_eps_rms L eps -> fair_rms er_rms (measured_rms L eps e a).
Proof.
intros planes eps e a HU L Hm Heps HT.
assert (Hg : growth L <= list_growth) by now apply usual_growth.
set (Q := sum (fun z => z ^ 2) L / size L).
assert (PQ : 0 <= Q).
{ apply Rmult_le_pos; [apply sum_square_pos | apply Rlt_le, Rinv_0_lt_compat, Hm]. }
assert (C1 : close ((1 + u) * list_growth) (0 * list_growth)
  (sum (fun z => z ^ 2) L) (sum (fun z => z ^ 2) L) (S2_rms L) (sum (fun z => z ^ 2) L)).
{ apply close_comp; try lra. apply every_all. intros z.
  destruct (rnd_near Float (z * z)) as [f [F ->]].
  assert (Z := close_factor (z ^ 2) _ _ F). rewrite Rabs_pos_eq in Z by apply pow2_ge_0.
  replace (z * z) with (z ^ 2) by ring. exact Z. }
assert (C2 := close_rnd Double _ _ _ _ _ _ (close_average _ L _ _ (fun z => z ^ 2) (fun z => z ^ 2)
  _ (fun z => z ^ 2) Hm C1)).
unfold average in C2. fold Q in C2. destruct C2 as [C2 _]. simpl unit in C2.
set (K := (1 + u) * list_growth * (1 + w)) in *.
set (c := rnd Double (S2_rms L / size L)) in *.
assert (HK : 1 <= K <= 1 + 8009 / 1000 * u) by (unfold K, list_growth, block_height; simpl; lra).
assert (T1 : Rabs (c + eps - (Q + eps)) <= (K - 1) * (Q + eps)).
{ replace (c + eps - (Q + eps)) with (c - Q) by ring. nra. }
destruct (rnd_ex Double (c + eps)) as [d [Bd Ed]]. simpl unit in Bd.
assert (T2 : Rabs (var_eps_rms L eps - (Q + eps)) <= 801 / 100 * u * var_eps_rms L eps).
{ unfold var_eps_rms in *. fold c. fold c in HT. rewrite Ed in *.
  apply Statistics.abs_le in T1, Bd. set (S := Q + eps) in *.
  assert (PS : 0 <= S) by (unfold S; lra).
  assert (A1 : (K - 1) * S <= 8009 / 1000 * u * S) by (apply Rmult_le_compat_r; lra).
  apply Rabs_le. split; nra. }
destruct (Statistics.rstd_error (801 / 100 * u) _ _ ltac:(lra) HT T2) as [PS [r [Hr Er]]].
unfold fair_rms, measured_rms. cbn [exact_mean exact_rstd mean rstd exponent]. fold Q.
assert (PR : 0 < 1 / sqrt (Q + eps)) by (apply Rdiv_lt_0_compat; [lra | now apply sqrt_lt_R0]).
repeat split; try assumption.
- exists (1 + r). split; [|exact Er]. unfold near. replace (1 + r - 1) with r by ring. lra.
- unfold v, in_float. cbn [arith exponent rstd]. destruct a; [apply bpow_gt_0|]. rewrite Er.
  apply Rmult_lt_0_compat; [exact PR|]. apply Statistics.abs_le in Hr. lra.
Qed.

(* The bounds, in units of e. *)
Notation e := (1 / 8388608).

(* g is gamma itself, or gamma + gamma_offset, added in double, and its float where arith is
   Float. *)
Definition plain (gamma g : R) := g = gamma.
Definition with_offset (gamma g : R) := g = rnd Float (rnd Double gamma) \/ g = rnd Double gamma.

Lemma plain_near : forall gamma g, plain gamma g -> exists f, near 1 f /\ g = gamma * f.
Proof. unfold plain. intros gamma g ->. exists 1. unfold near. rewrite Rminus_eq_0, Rabs_R0. lra.
  Qed.

Lemma offset_near : forall gamma g, with_offset gamma g ->
  exists f, near ((1 + w) * (1 + u)) f /\ g = gamma * f.
Proof.
unfold with_offset. intros gamma g [-> | ->]; destruct (rnd_near Double gamma) as [f [F ->]].
- destruct (rnd_near Float (gamma * f)) as [h [H ->]]. exists (f * h).
  split; [now apply near_mul | ring].
- exists f. split; [|reflexivity]. unfold near in *. simpl unit in F. lra.
Qed.

Ltac constant := unfold dx_constant, q_tail, tail, shift, list_growth, block_height; simpl pow; lra.

(* Of nrm_infer_backward: rstd from a running variance, which is exact. *)
Definition rstd_running (var eps : R) := rnd Double (1 / rnd Double (sqrt (rnd Double (var
  + eps)))).

Lemma rstd_running_near : forall var eps, 0 < var + eps ->
  0 < 1 / sqrt (var + eps) /\
  exists f, near (1 + 3 * w) f /\ rstd_running var eps = 1 / sqrt (var + eps) * f.
Proof.
intros var eps H. destruct (rnd_ex Double (var + eps)) as [d [Bd Ed]]. simpl unit in Bd.
assert (B := Statistics.abs_le _ _ Bd).
assert (P : 0 < rnd Double (var + eps)) by (rewrite Ed; nra).
assert (T : Rabs (rnd Double (var + eps) - (var + eps))
  <= 1001 / 1000 * w * rnd Double (var + eps)).
{ rewrite Ed. apply Rabs_le. split; nra. }
destruct (Statistics.rstd_error (1001 / 1000 * w) _ _ ltac:(lra) P T) as [PS [r [Hr Er]]].
split; [apply Rdiv_lt_0_compat; [lra | now apply sqrt_lt_R0]|].
exists (1 + r). split; [|exact Er]. unfold near. replace (1 + r - 1) with r by ring. lra.
Qed.

(* Where statistics come from: float sums that the acceptance test let stand, the last resort, or
   running ones. Of RMS, the mean square. *)
Definition stands_accepted (s : statistic) := exists planes K eps exponent a,
  usual planes /\ accepted (total Double planes) K eps /\
  s = measured (total Double planes) K eps exponent a.
Definition stands_last (s : statistic) := exists planes n K eps exponent a,
  let L := total Double planes in
  Bounds.double_list planes n /\ 1 <= size L /\ 0 <= eps /\ Statistics.among L K /\
  0 < Statistics.f_var_eps (comp (fun v => rnd Double (v - K)) L)
        (comp (fun v => rnd Double (rnd Double (v - K) * rnd Double (v - K))) L) (size L) eps /\
  s = Statistic (Statistics.x_mean L) (1 / sqrt (Statistics.x_var L + eps))
        (Bounds.last_mean_of planes K) (Bounds.last_rstd_of planes K eps) exponent a.
Definition stands_given (s : statistic) := exists m var eps exponent a,
  format Double m /\ 0 < var + eps /\
  s = Statistic m (1 / sqrt (var + eps)) m (rstd_running var eps) exponent a.

Definition stands (s : statistic) := comfortable s /\
  (stands_accepted s \/ stands_last s \/ stands_given s).
Definition stands_rms (s : statistic) := exists planes eps exponent a,
  usual planes /\ 0 < size (total Double planes) /\ 0 <= eps /\
  0 < var_eps_rms (total Double planes) eps /\
  s = measured_rms (total Double planes) eps exponent a.

Lemma last_fair : forall s, comfortable s -> stands_last s -> fair em er s.
Proof.
intros s Hc [planes [n [K [eps [x [a [HL [Hm [Heps [HK [HT ->]]]]]]]]]]].
set (L := total Double planes) in *.
assert (m0 := Bounds.m_pos planes Hm). assert (G := Bounds.last_growth planes n HL Hm).
destruct G as [G1 G2]. assert (near := Statistics.near L K m0 HK Hm).
assert (H1 := Bounds.last_summed planes n HL (fun v => rnd Double (v - K))).
assert (H2 := Bounds.last_summed planes n HL (fun v => rnd Double (rnd Double (v - K) * rnd Double
  (v - K)))).
destruct (Statistics.last_rstd Double L K eps _ _ _ m0 Heps G1 H1 H2 HT near G2) as [HP [r [Hr
  Er]]].
assert (Hd := Statistics.last_mean Double L K eps _ _ _ m0 Heps G1 H1 H2 HT Hm near G2).
assert (Pq := sqrt_lt_R0 _ HP).
apply rounded_fair with (x := K + Statistics.f_dm (comp (fun v => rnd Double (v - K)) L) (size L))
  (r := r);
  try assumption; try reflexivity.
- apply Rdiv_lt_0_compat; lra.
- cbn [exact_mean exact_rstd]. rewrite Rabs_minus_sym. set (q := sqrt _) in *.
  apply Rle_trans with (9 * u * q * (1 / q)); [|replace (9 * u * q * (1 / q)) with (9 * u)
    by (field; lra); lra].
  apply Rmult_le_compat_r; [apply Rlt_le, Rdiv_lt_0_compat; lra | exact Hd].
- lra.
Qed.

Lemma given_fair : forall s, comfortable s -> stands_given s -> fair em er s.
Proof.
intros s Hc [m [var [eps [x [a [Hm [HV ->]]]]]]].
destruct (rstd_running_near var eps HV) as [HR [f [Hf Ef]]].
apply rounded_fair with (x := m) (r := f - 1); try assumption;
  cbn [exact_mean exact_rstd mean rstd].
- rewrite Rminus_eq_0, Rabs_R0. lra.
- symmetry. now apply rnd_id.
- unfold near in Hf. lra.
- rewrite Ef. ring.
Qed.

Lemma stands_fair : forall s, stands s -> fair em er s.
Proof.
intros s [Hc [[p [K [eps [x [a [U [A ->]]]]]]] | [H | H]]].
- now apply measured_fair.
- now apply last_fair.
- now apply given_fair.
Qed.

Lemma stands_rms_fair : forall s, stands_rms s -> fair_rms er_rms s.
Proof. intros s [p [eps [x [a [U [M [E [T ->]]]]]]]]. now apply measured_rms_fair. Qed.

Section Bounds.
Variable value : Type.
Variables z dy : value -> R.
Hypothesis z_float : forall k, format Float (z k).

(* LAYER. *)
(* BOUND dx of LAYER | 29 | dx_rows |
   2^22 additions; statistics accepted, given or of the last resort; |mean| * rstd
   <= 2^25, in double 2^32 *)
Theorem dx_rows : forall gamma g planes s lift k, let row := total Double planes in
  (forall k, plain (gamma k) (g k)) -> 0 < lift -> 0 < size row -> usual planes -> stands s ->
  Rabs (dx_row value z dy g row s lift k -
        exact_dx s (t value dy gamma k) (average (t value dy gamma) row)
          (average (tx value z dy gamma s) row) (z k)) <=
  29 * e * scale_row value z dy gamma row s k.
Proof.
intros gamma g planes s lift k row Hg Hl Hm HU Hs.
apply dx_row_error with (Kg := 1) (em := em) (er := er) (G := list_growth); try assumption; try lra.
- intros j. apply plain_near, Hg.
- now apply stands_fair.
- now apply usual_growth.
- constant.
Qed.

(* BOUND dx of LAYER, with gamma_offset | 29.5 | dx_rows_offset |
   the same *)
Theorem dx_rows_offset : forall gamma g planes s lift k, let row := total Double planes in
  (forall k, with_offset (gamma k) (g k)) -> 0 < lift -> 0 < size row -> usual planes -> stands s ->
  Rabs (dx_row value z dy g row s lift k -
        exact_dx s (t value dy gamma k) (average (t value dy gamma) row)
          (average (tx value z dy gamma s) row) (z k)) <=
  59 / 2 * e * scale_row value z dy gamma row s k.
Proof.
intros gamma g planes s lift k row Hg Hl Hm HU Hs.
apply dx_row_error with (Kg := (1 + w) * (1 + u)) (em := em) (er := er) (G := list_growth);
  try assumption; try lra.
- intros j. apply offset_near, Hg.
- now apply stands_fair.
- now apply usual_growth.
- constant.
Qed.

(* RMS. *)
(* BOUND dx of RMS | 13.1 | dx_rms_rows |
   2^22 additions, var + eps > 0 *)
Theorem dx_rms_rows : forall gamma g planes s lift k, let row := total Double planes in
  (forall k, plain (gamma k) (g k)) -> 0 < lift -> 0 < size row -> usual planes -> stands_rms s ->
  Rabs (dx_rms value z dy g row s lift k -
        exact_dx s (t value dy gamma k) 0 (average (tx value z dy gamma s) row) (z k)) <=
  131 / 10 * e * scale_row value z dy gamma row s k.
Proof.
intros gamma g planes s lift k row Hg Hl Hm HU Hs.
apply dx_rms_error with (Kg := 1) (er := er_rms) (G := list_growth); try assumption; try lra.
- intros j. apply plain_near, Hg.
- now apply stands_rms_fair.
- now apply usual_growth.
- constant.
Qed.

(* BOUND dx of RMS, with gamma_offset | 13.6 | dx_rms_rows_offset |
   2^22 additions, var + eps > 0 *)
Theorem dx_rms_rows_offset : forall gamma g planes s lift k, let row := total Double planes in
  (forall k, with_offset (gamma k) (g k)) -> 0 < lift -> 0 < size row -> usual planes ->
  stands_rms s ->
  Rabs (dx_rms value z dy g row s lift k -
        exact_dx s (t value dy gamma k) 0 (average (tx value z dy gamma s) row) (z k)) <=
  136 / 10 * e * scale_row value z dy gamma row s k.
Proof.
intros gamma g planes s lift k row Hg Hl Hm HU Hs.
apply dx_rms_error with (Kg := (1 + w) * (1 + u)) (er := er_rms) (G := list_growth);
  try assumption; try lra.
- intros j. apply offset_near, Hg.
- now apply stands_rms_fair.
- now apply usual_growth.
- constant.
Qed.

(* What one plane is: a list in float blocks. *)
Section Planes.
Variable plane : Type.
Variable planes : plane -> list (list (list (tree value))).
Definition list_of (c : plane) := total Double (planes c).
Hypothesis Hplanes : forall c, usual (planes c).

(* BATCH: one list, or shares of which nrm_merge_sums added the sums. *)
(* BOUND dx of BATCH | 28.5 | dx_batch_bound |
   as of LAYER *)
Theorem dx_batch_bound : forall shares gamma g s lift k,
  plain gamma g -> 0 < lift -> 0 < m_batch value plane list_of shares -> in_double shares ->
  stands s ->
  Rabs (dx_batch value plane z dy list_of shares s g lift k -
        exact_dx s (t_batch value dy gamma k)
          (average_batch value plane list_of shares (t_batch value dy gamma))
          (average_batch value plane list_of shares (tx_batch value z dy s gamma)) (z k)) <=
  57 / 2 * e * scale_batch value plane z dy list_of shares s gamma k.
Proof.
intros shares gamma g s lift k Hg Hl Hm HD Hs.
apply dx_batch_error with (Kg := 1) (em := em) (er := er) (G := list_growth) (H := 1 + u / 127);
  try assumption; try lra.
- now apply plain_near.
- now apply stands_fair.
- constant.
- intros c. apply usual_growth, Hplanes.
- now apply double_tree_growth.
- constant.
Qed.

(* BOUND dx of BATCH, with gamma_offset | 29 | dx_batch_offset |
   the same *)
Theorem dx_batch_offset : forall shares gamma g s lift k,
  with_offset gamma g -> 0 < lift -> 0 < m_batch value plane list_of shares -> in_double shares ->
  stands s ->
  Rabs (dx_batch value plane z dy list_of shares s g lift k -
        exact_dx s (t_batch value dy gamma k)
          (average_batch value plane list_of shares (t_batch value dy gamma))
          (average_batch value plane list_of shares (tx_batch value z dy s gamma)) (z k)) <=
  29 * e * scale_batch value plane z dy list_of shares s gamma k.
Proof.
intros shares gamma g s lift k Hg Hl Hm HD Hs.
apply dx_batch_error with (Kg := (1 + w) * (1 + u)) (em := em) (er := er) (G := list_growth)
  (H := 1 + u / 127); try assumption; try lra.
- now apply offset_near.
- now apply stands_fair.
- constant.
- intros c. apply usual_growth, Hplanes.
- now apply double_tree_growth.
- constant.
Qed.

(* INSTANCE, GROUP, and BATCH with affine_per_sample: planes that g is multiplied into. *)
(* BOUND dx of INSTANCE, GROUP, and BATCH with affine_per_sample | 28.5 | dx_group_bound |
   the same *)
Theorem dx_group_bound : forall group gamma g s lift c k,
  (forall c, plain (gamma c) (g c)) -> 0 < lift -> 0 < m_group value plane list_of group ->
  in_double group -> stands s ->
  Rabs (dx_group value plane z dy list_of group s g lift c k -
        exact_dx s (t_group value plane dy gamma c k)
          (average_group value plane list_of group (t_group value plane dy gamma))
          (average_group value plane list_of group (tx_group value plane z dy s gamma)) (z k)) <=
  57 / 2 * e * scale_group value plane z dy list_of group s gamma c k.
Proof.
intros group gamma g s lift c k Hg Hl Hm HD Hs.
apply dx_group_error with (Kg := 1) (em := em) (er := er) (G := list_growth) (H := 1 + u / 127);
  try assumption; try lra.
- intros d. apply plain_near, Hg.
- now apply stands_fair.
- constant.
- intros d. apply usual_growth, Hplanes.
- now apply double_tree_growth.
- constant.
Qed.

(* BOUND dx of these, with gamma_offset | 29 | dx_group_offset |
   the same *)
Theorem dx_group_offset : forall group gamma g s lift c k,
  (forall c, with_offset (gamma c) (g c)) -> 0 < lift -> 0 < m_group value plane list_of group ->
  in_double group -> stands s ->
  Rabs (dx_group value plane z dy list_of group s g lift c k -
        exact_dx s (t_group value plane dy gamma c k)
          (average_group value plane list_of group (t_group value plane dy gamma))
          (average_group value plane list_of group (tx_group value plane z dy s gamma)) (z k)) <=
  29 * e * scale_group value plane z dy list_of group s gamma c k.
Proof.
intros group gamma g s lift c k Hg Hl Hm HD Hs.
apply dx_group_error with (Kg := (1 + w) * (1 + u)) (em := em) (er := er) (G := list_growth)
  (H := 1 + u / 127); try assumption; try lra.
- intros d. apply offset_near, Hg.
- now apply stands_fair.
- constant.
- intros d. apply usual_growth, Hplanes.
- now apply double_tree_growth.
- constant.
Qed.

(* dgamma of BATCH, INSTANCE and GROUP, stored or added to what was there. *)
(* BOUND dgamma of BATCH, INSTANCE, GROUP | 12.2 | dgamma_channels |
   the same *)
Theorem dgamma_channels : forall samples s, in_double samples -> (forall c, stands (s c)) ->
  let x := dgamma_sum value plane z dy list_of samples s in
  let exact := exact_dgamma value plane z dy list_of samples s in
  let scale := dgamma_scale value plane z dy list_of samples s in
  Rabs (store x - exact) <= 122 / 10 * e * scale /\
  forall old, Rabs (accumulate old x - (old + exact)) <= 122 / 10 * e * (scale + Rabs old).
Proof.
intros samples s HD Hs.
apply dgamma_error with (em := em) (er := er) (G := list_growth) (H := 1 + u / 127);
  try assumption; try lra.
- constant.
- intros c. now apply stands_fair.
- intros c. apply usual_growth, Hplanes.
- now apply double_tree_growth.
- constant.
- constant.
Qed.

(* dbeta of all kinds: beyond 4e is the second order, and the sums in double. *)
(* BOUND dbeta | 4.01 | dbeta |
   2^22 additions; 4e but for the second order *)
Theorem dbeta : forall samples, in_double samples ->
  let x := dbeta_sum value plane dy list_of samples in
  let exact := exact_dbeta value plane dy list_of samples in
  let scale := dbeta_scale value plane dy list_of samples in
  Rabs (store x - exact) <= 401 / 100 * e * scale /\
  forall old, Rabs (accumulate old x - (old + exact)) <= 401 / 100 * e * (scale + Rabs old).
Proof.
intros samples HD.
apply dbeta_error with (G := list_growth) (H := 1 + u / 127); try assumption.
- constant.
- intros c. apply usual_growth, Hplanes.
- now apply double_tree_growth.
- constant.
Qed.
End Planes.

(* dgamma of LAYER and RMS: each value has the statistic of its row. *)
(* BOUND dgamma of LAYER | 13.2 | dgamma_rows |
   as dx of LAYER *)
Theorem dgamma_rows : forall planes s, let list := total Double planes in usual planes ->
  (forall k, stands (s k)) ->
  let x := dgamma_row value z dy s list in
  let exact := exact_dgamma_row value z dy s list in
  let scale := dgamma_row_scale value z dy s list in
  Rabs (store x - exact) <= 132 / 10 * e * scale /\
  forall old, Rabs (accumulate old x - (old + exact)) <= 132 / 10 * e * (scale + Rabs old).
Proof.
intros planes s list HU Hs.
apply dgamma_row_error with (Ka := 1 + sub) (c := shift em) (er := er) (G := list_growth);
  try lra; try constant.
- intros k. assert (H := stands_fair _ (Hs k)). assert (H' := H).
    destruct H' as [HR [_ [_ [Hr [_ Hv]]]]].
  repeat split; try assumption. exact (h_error em er (s k) (z k) (z_float k) H).
- now apply usual_growth.
Qed.

(* BOUND dgamma of RMS | 7.6 | dgamma_rms |
   2^22 additions, var + eps > 0 *)
Theorem dgamma_rms : forall planes s, let list := total Double planes in usual planes ->
  (forall k, stands_rms (s k)) ->
  let x := dgamma_row value z dy s list in
  let exact := exact_dgamma_row value z dy s list in
  let scale := dgamma_row_scale value z dy s list in
  Rabs (store x - exact) <= 76 / 10 * e * scale /\
  forall old, Rabs (accumulate old x - (old + exact)) <= 76 / 10 * e * (scale + Rabs old).
Proof.
intros planes s list HU Hs.
apply dgamma_row_error with (Ka := 1 + w) (c := 0) (er := er_rms) (G := list_growth);
  try lra; try constant.
- intros k. assert (H := stands_rms_fair _ (Hs k)). assert (H' := H).
    destruct H' as [HR [_ [_ [Hr Hv]]]].
  repeat split; try assumption. exact (h_rms er_rms (s k) (z k) (z_float k) H).
- now apply usual_growth.
Qed.
End Bounds.

(* BOUND dx of nrm_infer_backward | 1.01 | dx_infer |
   the running variance is exact *)
Theorem dx_infer : forall dy gamma g var eps n, plain gamma g -> 0 < var + eps ->
  Rabs (dx_frozen dy g (rstd_running var eps) n - 1 / sqrt (var + eps) * (dy * gamma)) <=
  101 / 100 * e * (1 / sqrt (var + eps) * Rabs (dy * gamma)).
Proof.
intros dy gamma g var eps n Hg H. destruct (rstd_running_near var eps H) as [P R].
apply dx_frozen_error with (er := 3 * w) (Kg := 1); try lra; [now apply plain_near | exact R].
Qed.

(* BOUND dx of nrm_infer_backward, with gamma_offset | 1.51 | dx_infer_offset |
   the running variance is exact *)
Theorem dx_infer_offset : forall dy gamma g var eps n, with_offset gamma g -> 0 < var + eps ->
  Rabs (dx_frozen dy g (rstd_running var eps) n - 1 / sqrt (var + eps) * (dy * gamma)) <=
  151 / 100 * e * (1 / sqrt (var + eps) * Rabs (dy * gamma)).
Proof.
intros dy gamma g var eps n Hg H. destruct (rstd_running_near var eps H) as [P R].
apply dx_frozen_error with (er := 3 * w) (Kg := (1 + w) * (1 + u)); try lra;
  [now apply offset_near | exact R].
Qed.

(* In double it is (dy' * rstd) * g, rounded to a float. *)
(* BOUND dx of nrm_infer_backward in double | 0.51 | dx_infer_double |
   the running variance is exact *)
Theorem dx_infer_double : forall dy gamma var eps, 0 < var + eps ->
  let g := rnd Double gamma in
  Rabs (rnd Float (rnd Double (rnd Double (dy * rstd_running var eps) * g)) -
        1 / sqrt (var + eps) * (dy * gamma)) <=
  51 / 100 * e * (1 / sqrt (var + eps) * Rabs (dy * gamma)).
Proof.
intros dy gamma var eps H. destruct (rstd_running_near var eps H) as [P [r [Fr ->]]].
set (R0 := 1 / sqrt (var + eps)) in *. cbv zeta.
destruct (rnd_near Double gamma) as [f1 [F1 ->]].
destruct (rnd_near Double (dy * (R0 * r))) as [f2 [F2 ->]].
destruct (rnd_near Double (dy * (R0 * r) * f2 * (gamma * f1))) as [f3 [F3 ->]].
destruct (rnd_near Float (dy * (R0 * r) * f2 * (gamma * f1) * f3)) as [f4 [F4 ->]].
assert (N : near ((1 + 3 * w) * (1 + w) * (1 + w) * (1 + w) * (1 + u)) (r * f1 * f2 * f3 * f4))
  by (repeat apply near_mul; assumption).
set (k := r * f1 * f2 * f3 * f4) in *. unfold near in N.
replace (dy * (R0 * r) * f2 * (gamma * f1) * f3 * f4 - R0 * (dy * gamma))
  with ((k - 1) * (R0 * (dy * gamma))) by (unfold k; ring).
rewrite Rabs_mult, (Rabs_mult R0), (Rabs_pos_eq R0) by lra.
apply Rmult_le_compat_r; [apply Rmult_le_pos; [lra | apply Rabs_pos] | lra].
Qed.

(* dx + dsum rounds once more: e / 2 of dsum, and of the scale what follows beside dx's own C. *)
(* BOUND dx + dsum, beyond that of dx | 0.51 | dsum_added |
   and 0.5e |dsum| *)
Theorem dsum_added : forall d x S C dsum, 0 <= S -> C <= 30 -> Rabs (d - x) <= C * e * S ->
  Rabs x <= S ->
  Rabs (rnd Float (d + dsum) - (x + dsum)) - C * e * S - 1 / 2 * e * Rabs dsum <= 51 / 100 * e * S.
Proof.
intros d x S C dsum HS HC H Hx. assert (E := dsum_error d x S (C * e) dsum H Hx).
assert (((1 + C * e) * (1 + u) - 1) * S <= (C * e + 51 / 100 * e) * S)
  by (apply Rmult_le_compat_r; [exact HS | lra]).
lra.
Qed.
