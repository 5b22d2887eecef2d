(* Sums as the code orders them (NUMERICS, "Order"): trees in float, totals of these in double. A
   tree holds values of any kind; what is summed is a function of them, so that two sums of the same
   values (d and d*d, or those of a gradient) have one tree. *)
From Coq Require Import Reals Psatz List.
Require Import Float.
Open Scope R_scope.

Section Trees.
Variable A : Type.

Inductive tree := Empty | Leaf (v : A) | Node (t : type) (l r : tree).

(* The exact sum of f over the values. *)
Fixpoint sum (f : A -> R) (s : tree) : R :=
  match s with Empty => 0 | Leaf v => f v | Node _ l r => sum f l + sum f r end.

(* The computed sum of what is computed for each value. *)
Fixpoint comp (f : A -> R) (s : tree) : R :=
  match s with Empty => 0 | Leaf v => f v | Node t l r => rnd t (comp f l + comp f r) end.

Fixpoint every (P : A -> Prop) (s : tree) : Prop :=
  match s with Empty => True | Leaf v => P v | Node _ l r => every P l /\ every P r end.

Definition size (s : tree) : R := sum (fun _ => 1) s.

(* By what roundings can multiply a value on its way up. *)
Fixpoint growth (s : tree) : R :=
  match s with Node t l r => (1 + unit t) * Rmax (growth l) (growth r) | _ => 1 end.

Lemma growth_ge1 : forall s, 1 <= growth s.
Proof.
induction s as [| v | t l IHl r IHr]; simpl; try lra.
generalize (unit_pos t) (Rmax_l (growth l) (growth r)). intros. nra.
Qed.

(* ---- Exact sums ------------------------------------------------------------------------------ *)

Lemma every_impl : forall (P Q : A -> Prop) s, (forall v, P v -> Q v) -> every P s -> every Q s.
Proof. intros P Q s H. induction s; simpl; intuition. Qed.

Lemma every_all : forall (P : A -> Prop) s, (forall v, P v) -> every P s.
Proof. intros P s H. induction s; simpl; intuition. Qed.

Lemma sum_ext : forall f g s, every (fun v => f v = g v) s -> sum f s = sum g s.
Proof. intros f g s. induction s; simpl; intuition congruence. Qed.

Lemma sum_plus : forall f g s, sum (fun v => f v + g v) s = sum f s + sum g s.
Proof. intros f g s. induction s as [| v | t l IHl r IHr]; simpl; lra. Qed.

Lemma sum_minus : forall f g s, sum (fun v => f v - g v) s = sum f s - sum g s.
Proof. intros f g s. induction s as [| v | t l IHl r IHr]; simpl; lra. Qed.

Lemma sum_scal : forall k f s, sum (fun v => k * f v) s = k * sum f s.
Proof. intros k f s. induction s as [| v | t l IHl r IHr]; simpl; lra. Qed.

Lemma sum_le : forall f g s, every (fun v => f v <= g v) s -> sum f s <= sum g s.
Proof. intros f g s. induction s; simpl; intuition lra. Qed.

Lemma sum_pos : forall f s, every (fun v => 0 <= f v) s -> 0 <= sum f s.
Proof. intros f s. induction s; simpl; intuition lra. Qed.

Lemma sum_abs : forall f g s, every (fun v => Rabs (f v) <= g v) s -> Rabs (sum f s) <= sum g s.
Proof.
intros f g s. induction s as [| v | t l IHl r IHr]; simpl; intros H.
- rewrite Rabs_R0. lra.
- exact H.
- eapply Rle_trans; [apply Rabs_triang|]. intuition lra.
Qed.

Lemma sum_const : forall k s, sum (fun _ => k) s = k * size s.
Proof. intros k s. unfold size. rewrite <- sum_scal. apply sum_ext, every_all. intros. ring. Qed.

Lemma size_pos : forall s, 0 <= size s.
Proof. intros s. apply sum_pos, every_all. intros. lra. Qed.

Lemma sum_square_pos : forall f s, 0 <= sum (fun v => f v ^ 2) s.
Proof. intros f s. apply sum_pos, every_all. intros v. apply pow2_ge_0. Qed.

Theorem cauchy_schwarz : forall f g s,
  sum (fun v => f v * g v) s ^ 2 <= sum (fun v => f v ^ 2) s * sum (fun v => g v ^ 2) s.
Proof.
intros f g s. set (a := sum (fun v => f v ^ 2) s). set (b := sum (fun v => g v ^ 2) s).
set (p := sum (fun v => f v * g v) s).
assert (Ha : 0 <= a) by apply sum_square_pos.
assert (Hb : 0 <= b) by apply sum_square_pos.
assert (H : forall x y, 0 <= x ^ 2 * a - 2 * (x * y) * p + y ^ 2 * b).
{ intros x y. unfold a, b, p. rewrite <- !sum_scal, <- sum_minus, <- sum_plus.
  apply sum_pos, every_all. intros v.
  replace (x ^ 2 * f v ^ 2 - 2 * (x * y) * (f v * g v) + y ^ 2 * g v ^ 2)
    with ((x * f v - y * g v) ^ 2) by ring.
  apply pow2_ge_0. }
destruct (Req_dec b 0) as [B | B].
- destruct (Rle_or_lt (p * p) 0) as [P | P]; [nra|]. exfalso.
  generalize (H p (a + 1)). rewrite B. intros G. nra.
- assert (0 < b) by lra. generalize (H b p). intros G.
  assert (0 <= b * (a * b - p ^ 2)) by (replace (b * (a * b - p ^ 2))
    with (b ^ 2 * a - 2 * (b * p) * p + p ^ 2 * b) by ring; exact G).
  assert (0 <= a * b - p ^ 2) by nra. lra.
Qed.

(* (sum |f|)^2 <= m * sum f^2. *)
Theorem cauchy_schwarz_1 : forall f s,
  sum (fun v => Rabs (f v)) s ^ 2 <= size s * sum (fun v => f v ^ 2) s.
Proof.
intros f s. generalize (cauchy_schwarz (fun _ => 1) (fun v => Rabs (f v)) s).
replace (sum (fun v => 1 * Rabs (f v)) s) with (sum (fun v => Rabs (f v)) s)
  by (apply sum_ext, every_all; intros; ring).
replace (sum (fun _ => 1 ^ 2) s) with (size s)
  by (apply sum_ext, every_all; intros; ring).
replace (sum (fun v => Rabs (f v) ^ 2) s) with (sum (fun v => f v ^ 2) s); [easy|].
apply sum_ext, every_all. intros v. symmetry. apply pow2_abs.
Qed.

(* ---- What rounding does ---------------------------------------------------------------------- *)

(* c is computed for a value, x is exact, a is what the error is measured by. *)
Theorem tree_error : forall c x a k s, 0 <= k ->
  every (fun v => Rabs (c v - x v) <= k * a v /\ Rabs (x v) <= a v) s ->
  Rabs (comp c s - sum x s) <= ((1 + k) * growth s - 1) * sum a s.
Proof.
intros c x a k s Hk H.
assert (Both : Rabs (comp c s - sum x s) <= ((1 + k) * growth s - 1) * sum a s /\
               Rabs (sum x s) <= sum a s); [|easy].
induction s as [| v | t l IHl r IHr]; simpl in *.
- rewrite Rminus_0_r, Rabs_R0. lra.
- replace ((1 + k) * 1 - 1) with k by ring. exact H.
- destruct H as [Hl Hr]. destruct (IHl Hl) as [El Xl]. destruct (IHr Hr) as [Er Xr].
  clear IHl IHr Hl Hr.
  split; [| eapply Rle_trans; [apply Rabs_triang | lra]].
  set (p := Rmax (growth l) (growth r)).
  assert (Pl : growth l <= p) by apply Rmax_l.
  assert (Pr : growth r <= p) by apply Rmax_r.
  generalize (growth_ge1 l) (growth_ge1 r) (unit_pos t). intros Gl Gr Ut.
  assert (Tl : 0 <= sum a l) by (generalize (Rabs_pos (sum x l)); lra).
  assert (Tr : 0 <= sum a r) by (generalize (Rabs_pos (sum x r)); lra).
  set (T := sum a l + sum a r). set (q := (1 + k) * p).
  assert (Hq : 1 <= q) by (unfold q; nra).
  assert (Hs : Rabs (comp c l + comp c r - (sum x l + sum x r)) <= (q - 1) * T).
  { replace (comp c l + comp c r - (sum x l + sum x r))
      with ((comp c l - sum x l) + (comp c r - sum x r)) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    assert (((1 + k) * growth l - 1) * sum a l <= (q - 1) * sum a l)
      by (apply Rmult_le_compat_r; [lra | unfold q; nra]).
    assert (((1 + k) * growth r - 1) * sum a r <= (q - 1) * sum a r)
      by (apply Rmult_le_compat_r; [lra | unfold q; nra]).
    unfold T. lra. }
  assert (Hc : Rabs (comp c l + comp c r) <= q * T).
  { replace (comp c l + comp c r)
      with ((comp c l + comp c r - (sum x l + sum x r)) + (sum x l + sum x r)) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    assert (Rabs (sum x l + sum x r) <= T)
      by (eapply Rle_trans; [apply Rabs_triang | unfold T; lra]).
    lra. }
  replace (rnd t (comp c l + comp c r) - (sum x l + sum x r)) with
    ((rnd t (comp c l + comp c r) - (comp c l + comp c r)) +
     (comp c l + comp c r - (sum x l + sum x r))) by ring.
  eapply Rle_trans; [apply Rabs_triang|].
  assert (Rabs (rnd t (comp c l + comp c r) - (comp c l + comp c r)) <= unit t * (q * T)).
  { eapply Rle_trans; [apply rnd_error|]. apply Rmult_le_compat_l; [lra | exact Hc]. }
  replace (((1 + k) * ((1 + unit t) * p) - 1) * T) with ((q - 1) * T + unit t * (q * T))
    by (unfold q; ring).
  lra.
Qed.

(* ---- Order ----------------------------------------------------------------------------------- *)

(* At most h additions of type t above one another, and none of another type. *)
Fixpoint within (t : type) (h : nat) (s : tree) : Prop :=
  match s, h with
  | Node t' l r, S h => t' = t /\ within t h l /\ within t h r
  | Node _ _ _, O => False
  | _, _ => True
  end.

Lemma growth_within : forall t h s, within t h s -> growth s <= (1 + unit t) ^ h.
Proof.
intros t h. generalize (unit_pos t). intros U.
assert (P : forall n, 1 <= (1 + unit t) ^ n) by (intros; apply pow_R1_Rle; lra).
induction h as [| h IH]; intros [| v | t' l r]; simpl; intros H; try lra; try easy.
- generalize (P (S h)). simpl. lra.
- generalize (P (S h)). simpl. lra.
- destruct H as [-> [Hl Hr]]. apply Rmult_le_compat_l; [lra|].
  apply Rmax_lub; apply IH; assumption.
Qed.

(* In order and of type t, beginning with +0. *)
Definition chain (t : type) (l : list tree) : tree := fold_left (Node t) l Empty.

Lemma fold_growth : forall t G l s, growth s <= G -> Forall (fun b => growth b <= G) l ->
  growth (fold_left (Node t) l s) <= G * (1 + unit t) ^ length l.
Proof.
intros t G l. generalize (unit_pos t). intros U.
revert G. induction l as [| b l IH]; intros G s Hs H; simpl; [lra|].
inversion H as [| b' l' Hb Hl]; subst.
assert (G1 : 1 <= G) by (generalize (growth_ge1 b); lra).
rewrite <- Rmult_assoc, (Rmult_comm G).
apply IH.
- simpl. apply Rmult_le_compat_l; [lra|]. now apply Rmax_lub.
- eapply Forall_impl; [|exact Hl]. simpl. intros c Hc. nra.
Qed.

Lemma chain_growth : forall t G l, 1 <= G -> Forall (fun b => growth b <= G) l ->
  growth (chain t l) <= G * (1 + unit t) ^ length l.
Proof. intros t G l HG H. apply fold_growth; [exact HG | exact H]. Qed.

(* A list of planes, of runs, of blocks; t adds blocks up. *)
Definition total (t : type) (planes : list (list (list tree))) : tree :=
  chain t (map (fun plane => chain t (map (chain t) plane)) planes).

(* So many additions of totals may lie above one another: the blocks of a run, the runs of a plane,
   the planes of the list. *)
Definition additions_within (n : nat) (planes : list (list (list tree))) : Prop :=
  exists b r p, (b + r + p <= n)%nat /\ (length planes <= p)%nat /\
    Forall (fun plane => (length plane <= r)%nat /\
      Forall (fun run => (length run <= b)%nat) plane) planes.

Definition every_block (P : tree -> Prop) (planes : list (list (list tree))) : Prop :=
  Forall (Forall (Forall P)) planes.

Lemma pow_more : forall t n m, (n <= m)%nat -> (1 + unit t) ^ n <= (1 + unit t) ^ m.
Proof. intros t n m H. apply Rle_pow; [generalize (unit_pos t); lra | exact H]. Qed.

Theorem total_growth : forall a t h n planes,
  every_block (within a h) planes -> additions_within n planes ->
  growth (total t planes) <= (1 + unit a) ^ h * (1 + unit t) ^ n.
Proof.
intros a t h n planes HB [b [r [p [Hn [Hp HR]]]]].
set (G := (1 + unit a) ^ h).
assert (G1 : 1 <= G) by (apply pow_R1_Rle; generalize (unit_pos a); lra).
assert (P1 : forall k, 1 <= (1 + unit t) ^ k)
  by (intros; apply pow_R1_Rle; generalize (unit_pos t); lra).
assert (Prod : forall x y, 1 <= x -> 1 <= y -> 1 <= x * y) by (intros; nra).
assert (Step : forall k l G' (s : list tree), 1 <= G' -> (length s <= k)%nat ->
  Forall (fun b => growth b <= G') s -> l = chain t s -> growth l <= G' * (1 + unit t) ^ k).
{ intros k l G' s H1 Hk HF ->. eapply Rle_trans; [exact (chain_growth t G' s H1 HF)|].
  apply Rmult_le_compat_l; [lra | now apply pow_more]. }
apply Rle_trans with (G * (1 + unit t) ^ b * (1 + unit t) ^ r * (1 + unit t) ^ p).
- eapply Step; [| | | reflexivity].
  + auto.
  + rewrite map_length. exact Hp.
  + apply Forall_map. unfold every_block in HB. rewrite Forall_forall in HB, HR |- *.
    intros plane Hin. specialize (HB plane Hin). destruct (HR plane Hin) as [Hr Hb].
    eapply Step; [| | | reflexivity].
    * auto.
    * rewrite map_length. exact Hr.
    * apply Forall_map. rewrite Forall_forall in HB, Hb |- *. intros run Hrun.
      eapply Step; [exact G1 | exact (Hb run Hrun) | | reflexivity].
      eapply Forall_impl; [|exact (HB run Hrun)]. intros s Hs. now apply growth_within.
- rewrite !Rmult_assoc, <- !pow_add. apply Rmult_le_compat_l; [lra|].
  apply pow_more. lia.
Qed.

(* The list: blocks of height h in a, additions in t at most n above one another. *)
Theorem total_error : forall c x e k a t h n planes, 0 <= k ->
  every (fun v => Rabs (c v - x v) <= k * e v /\ Rabs (x v) <= e v) (total t planes) ->
  every_block (within a h) planes -> additions_within n planes ->
  Rabs (comp c (total t planes) - sum x (total t planes)) <=
  ((1 + k) * ((1 + unit a) ^ h * (1 + unit t) ^ n) - 1) * sum e (total t planes).
Proof.
intros c x e k a t h n planes Hk HE HB HN.
eapply Rle_trans; [now apply tree_error with (a := e) (k := k)|].
apply Rmult_le_compat_r.
- apply sum_pos. eapply every_impl; [|exact HE]. simpl. intros v [_ Hv].
  generalize (Rabs_pos (x v)). lra.
- generalize (total_growth a t h n planes HB HN). nra.
Qed.

End Trees.

Arguments Empty {A}.
Arguments Leaf {A} _.
Arguments Node {A} _ _ _.
Arguments sum {A} _ _.
Arguments comp {A} _ _.
Arguments every {A} _ _.
Arguments size {A} _.
Arguments growth {A} _.
Arguments within {A} _ _ _.
Arguments chain {A} _ _.
Arguments total {A} _ _.
Arguments additions_within {A} _ _.
Arguments every_block {A} _ _.

(* (1 + w)^n of n additions in double: at most 1 + u / 128 for 2^22 of them. *)
Lemma pow_linear : forall x n, 0 <= x -> INR n * x <= 1 ->
  (1 + x) ^ n <= 1 + INR n * x + (INR n * x) ^ 2.
Proof.
intros x n Hx. induction n as [| n IH]; intros H; [simpl; lra|].
rewrite S_INR in *. simpl pow at 1. generalize (pos_INR n). intros Hn.
assert (INR n * x <= 1) by lra. specialize (IH H0).
apply Rle_trans with ((1 + x) * (1 + INR n * x + (INR n * x) ^ 2));
  [apply Rmult_le_compat_l; lra|].
set (k := INR n) in *. assert (P : 0 <= k * x) by nra. assert (Q : 0 <= k * x * x) by nra.
assert (k * x * x * (k * x) <= k * x * x * 1) by (apply Rmult_le_compat_l; lra).
nra.
Qed.

Theorem double_growth : forall n, INR n <= 4194304 -> (1 + w) ^ n <= 1 + u / 127.
Proof.
intros n H. generalize (pos_INR n). intros P.
eapply Rle_trans; [apply pow_linear; lra|].
assert (INR n * w <= u / 128) by lra. assert (0 <= INR n * w) by lra.
assert ((INR n * w) ^ 2 <= (u / 128) ^ 2) by (apply pow_incr; lra). lra.
Qed.
