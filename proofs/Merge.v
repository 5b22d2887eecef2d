(* nrm_merge and nrm_merge_sums (NUMERICS, "Merge"): what k merges of shares add to the errors of
   mean and m2, and so of rstd. Modelled is every rounding of nrm_merge, in double; counts are
   integers below 2^53, whose sum is exact. Shares are merged in any order, as a tree; of two the
   one with more values is a. No share is empty: one of count 0 leaves the other as it is.

   First moments that are given are merged: each of k merges adds the same, whatever the order. Then
   shares' own errors are added, of float sums (Gradient.v), and the whole goes to y, dx and dgamma.
   The mean's error stays that of one share. That of rstd grows once, from 13.3u to 15u: a share's
   mean that is off changes how far apart the shares are. *)
From Coq Require Import Reals Psatz List.
From Gappa Require Import Gappa_tactic.
Require Import Float Sum.
Require Statistics Gradient Apply.
Open Scope R_scope.

Record moments := Moments { count : R; mean : R; m2 : R }.

(* b has no more values than a. *)
Definition join (a b : moments) : moments :=
  let d := rnd Double (mean b - mean a) in
  let n := count a + count b in
  let part := rnd Double (count b / n) in
  Moments n (rnd Double (mean a + rnd Double (d * part)))
    (rnd Double (rnd Double (m2 a + m2 b) +
                 rnd Double (rnd Double (d * d) * rnd Double (count a * part)))).

Definition merge (into from : moments) : moments :=
  if Rlt_dec (count into) (count from) then join from into else join into from.

(* The sums of (z - c) and of (z - c)^2 over all values, from the moments: these of two shares add
   up, exactly, whatever c is. *)
Definition first (c : R) (a : moments) := count a * (mean a - c).
Definition second (c : R) (a : moments) := m2 a + count a * (mean a - c) ^ 2.

(* ---- One merge ---- *)

(* In units of the deviation D, of which |c| is l times as much: what one merge adds to the mean,
   and to m2 / n in units of D^2. *)
Definition phi (l : R) := w * (l + 41 / 10).
Definition gam (l : R) := w * (202 / 100 * l + 153 / 10).

Lemma sq_le : forall x y, 0 <= y -> x ^ 2 <= y ^ 2 -> Rabs x <= y.
Proof.
intros x y Hy H. rewrite <- (Rabs_pos_eq y Hy). apply Rsqr_le_abs_0.
unfold Rsqr. simpl in H. lra.
Qed.

(* The mean, from exact parts: x is the exact mean, s the step from a's mean to it, both no more
   than r away from c or 0. *)
Lemma mean_step : forall f1 f2 f3 f4 ma s c r, 0 <= r ->
  Rabs f1 <= w -> Rabs f2 <= w -> Rabs f3 <= w -> Rabs f4 <= w ->
  Rabs (ma + s - c) <= r -> Rabs s <= r ->
  Rabs ((ma + s * ((1 + f1) * (1 + f2) * (1 + f3))) * (1 + f4) - (ma + s)) <=
    w * (Rabs c + 401 / 100 * r).
Proof.
intros f1 f2 f3 f4 ma s c r Hr H1 H2 H3 H4 Hx Hs.
set (g := (1 + f1) * (1 + f2) * (1 + f3) - 1).
assert (Hg : Rabs g <= 3001 / 1000 * w).
{ unfold g. replace ((1 + f1) * (1 + f2) * (1 + f3) - 1)
    with (f1 + f2 + f3 + f1 * f2 + f1 * f3 + f2 * f3 + f1 * f2 * f3) by ring.
  clear - H1 H2 H3. apply Rle_trans with (6145 / 2048 * w); [gappa | lra]. }
replace ((ma + s * ((1 + f1) * (1 + f2) * (1 + f3))) * (1 + f4) - (ma + s))
  with ((c + (ma + s - c)) * f4 + s * (g * (1 + f4))) by (unfold g; ring).
eapply Rle_trans; [apply Rabs_triang|]. rewrite !Rabs_mult.
assert (Rabs (c + (ma + s - c)) <= Rabs c + r) by (eapply Rle_trans; [apply Rabs_triang | lra]).
assert (Rabs (1 + f4) <= 1001 / 1000).
{ eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_R1. lra. }
assert (Rabs (c + (ma + s - c)) * Rabs f4 <= (Rabs c + r) * w)
  by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
assert (Rabs g * Rabs (1 + f4) <= 3001 / 1000 * w * (1001 / 1000))
  by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
assert (Rabs s * (Rabs g * Rabs (1 + f4)) <= r * (3001 / 1000 * w * (1001 / 1000))).
{ apply Rmult_le_compat; try apply Rabs_pos; try assumption.
  apply Rmult_le_pos; apply Rabs_pos. }
lra.
Qed.

(* m2: seven roundings of what is not negative. *)
Lemma m2_step : forall f1 f2 f3 f4 f5 f6 f7 q b, 0 <= q -> 0 <= b ->
  Rabs f1 <= w -> Rabs f2 <= w -> Rabs f3 <= w -> Rabs f4 <= w -> Rabs f5 <= w -> Rabs f6 <= w ->
  Rabs f7 <= w ->
  Rabs ((q * (1 + f5) + b * ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f3) * (1 + f4) * (1 + f6))) *
        (1 + f7) - (q + b)) <= 701 / 100 * w * (q + b).
Proof.
intros f1 f2 f3 f4 f5 f6 f7 q b Hq Hb H1 H2 H3 H4 H5 H6 H7.
assert (P : forall f, Rabs f <= w -> 1 - w <= 1 + f <= 1 + w)
  by (intros f H; unfold Rabs in H; destruct (Rcase_abs f); lra).
assert (M : forall a b x y, 0 <= a -> 0 <= b -> a <= x <= 2 -> b <= y <= 2 -> a * b <= x * y)
  by (intros; apply Rmult_le_compat; lra).
replace ((q * (1 + f5) + b * ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f3) * (1 + f4) * (1 + f6))) *
        (1 + f7) - (q + b))
  with (q * ((1 + f5) * (1 + f7) - 1) +
        b * ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f3) * (1 + f4) * (1 + f6) * (1
          + f7) - 1)) by ring.
assert (E1 : Rabs ((1 + f5) * (1 + f7) - 1) <= 701 / 100 * w).
{ replace ((1 + f5) * (1 + f7) - 1) with (f5 + f7 + f5 * f7) by ring. clear - H5 H7.
  apply Rle_trans with (3 * w); [gappa | lra]. }
assert (E2 : Rabs ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f3) * (1 + f4) * (1 + f6) * (1 + f7) - 1)
             <= 701 / 100 * w).
{ assert (N : forall K x f, Rabs (x - 1) <= K * w -> 0 <= K <= 7 -> Rabs f <= w ->
      Rabs (x * (1 + f) - 1) <= (K + 1001 / 1000) * w).
  { intros K x f Hx HK Hf. replace (x * (1 + f) - 1) with ((x - 1) + f + (x - 1) * f) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    assert (Rabs ((x - 1) + f) <= K * w + w) by (eapply Rle_trans; [apply Rabs_triang | lra]).
    assert (Rabs ((x - 1) * f) <= K * w * w).
    { rewrite Rabs_mult. apply Rmult_le_compat; try apply Rabs_pos; assumption. }
    assert (K * w * w <= 1 / 1000 * w) by nra. lra. }
  assert (N1 : Rabs ((1 + f1) - 1) <= 1 * w) by (replace (1 + f1 - 1) with f1 by ring; lra).
  assert (N2 := N _ _ _ N1 ltac:(lra) H1). assert (N3 := N _ _ _ N2 ltac:(lra) H2).
  assert (N4 := N _ _ _ N3 ltac:(lra) H3). assert (N5 := N _ _ _ N4 ltac:(lra) H4).
  assert (N6 := N _ _ _ N5 ltac:(lra) H6). assert (N7 := N _ _ _ N6 ltac:(lra) H7).
  eapply Rle_trans; [exact N7 | lra]. }
eapply Rle_trans; [apply Rabs_triang|]. rewrite !Rabs_mult, (Rabs_pos_eq q),
  (Rabs_pos_eq b) by assumption.
assert (q * Rabs ((1 + f5) * (1 + f7) - 1) <= q * (701 / 100 * w)) by now apply Rmult_le_compat_l.
set (F := (1 + f1) * (1 + f1) * (1 + f2) * (1 + f3) * (1 + f4) * (1 + f6) * (1 + f7) - 1) in *.
assert (b * Rabs F <= b * (701 / 100 * w)) by now apply Rmult_le_compat_l.
lra.
Qed.

Lemma join_step : forall a b c N D l, 0 < D -> 0 <= l -> l * w <= 1 / 1000 -> Rabs c <= l * D ->
  0 < count b <= count a -> count a + count b <= N -> 0 <= m2 a -> 0 <= m2 b ->
  second c a + second c b <= 101 / 100 * (N * D ^ 2) ->
  0 <= m2 (join a b) /\
  Rabs (first c (join a b) - (first c a + first c b)) <= phi l * (N * D) /\
  Rabs (second c (join a b) - (second c a + second c b)) <= gam l * (N * D ^ 2).
Proof.
intros [na ma qa] [nb mb qb] c N D l HD Hl Hlw Hc Hn HN Ha Hb HW.
unfold first, second, join in *; cbn [count mean m2] in *.
set (n := na + nb) in *. assert (Pn : 0 < n) by (unfold n; lra).
set (d := mb - ma). set (s := d * (nb / n)). set (x := ma + s).
set (b := d * d * (na * (nb / n))).
(* r^2 is the second moment about c for each value: of it are the exact mean, and the step to it. *)
set (W := qa + na * (ma - c) ^ 2 + (qb + nb * (mb - c) ^ 2)) in *.
assert (EW : W = (qa + qb) + b + n * (x - c) ^ 2) by (unfold W, b, x, s, d, n; field; lra).
assert (Hb0 : 0 <= b).
{ unfold b. apply Rmult_le_pos; [nra|]. apply Rmult_le_pos; [lra|]. apply Rlt_le, Rdiv_lt_0_compat;
    lra. }
assert (HW0 : 0 <= W / n).
{ apply Rmult_le_pos; [|now apply Rlt_le, Rinv_0_lt_compat]. rewrite EW.
  assert (0 <= n * (x - c) ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]). lra. }
set (r := sqrt (W / n)). assert (Pr : 0 <= r) by apply sqrt_pos.
assert (Er : n * r ^ 2 = W) by (unfold r; rewrite pow2_sqrt by exact HW0; field; lra).
assert (Hx : Rabs (x - c) <= r).
{ apply sq_le; [exact Pr|]. apply Rmult_le_reg_l with n; [exact Pn|]. rewrite Er, EW. lra. }
assert (Hs : Rabs s <= r).
{ apply sq_le; [exact Pr|]. apply Rmult_le_reg_l with n; [exact Pn|]. rewrite Er.
  assert (n * s ^ 2 <= b).
  { unfold b, s. replace (n * (d * (nb / n)) ^ 2) with (d * d * (nb * (nb / n))) by (field; lra).
    apply Rmult_le_compat_l; [nra|]. apply Rmult_le_compat_r; [|lra].
    apply Rlt_le, Rdiv_lt_0_compat; lra. }
  rewrite EW. assert (0 <= n * (x - c) ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]). lra. }
(* The computed mean is x + eta, and m2 is q. *)
destruct (rnd_ex Double d) as [f1 [F1 ->]].
destruct (rnd_ex Double (nb / n)) as [f2 [F2 ->]].
destruct (rnd_ex Double (d * (1 + f1) * (nb / n * (1 + f2)))) as [f3 [F3 ->]].
destruct (rnd_ex Double (ma + d * (1 + f1) * (nb / n * (1 + f2)) * (1 + f3))) as [f4 [F4 ->]].
destruct (rnd_ex Double (qa + qb)) as [f5 [F5 ->]].
destruct (rnd_ex Double (d * (1 + f1) * (d * (1 + f1)))) as [f6 [F6 ->]].
destruct (rnd_ex Double (na * (nb / n * (1 + f2)))) as [f7 [F7 ->]].
destruct (rnd_ex Double (d * (1 + f1) * (d * (1 + f1)) * (1 + f6) *
  (na * (nb / n * (1 + f2)) * (1 + f7)))) as [f8 [F8 ->]].
replace (d * (1 + f1) * (d * (1 + f1)) * (1 + f6) * (na * (nb / n * (1 + f2)) * (1 + f7)) * (1
  + f8))
  with (b * ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f6) * (1 + f7) * (1 + f8))) by (unfold b; ring).
destruct (rnd_ex Double ((qa + qb) * (1 + f5) +
  b * ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f6) * (1 + f7) * (1 + f8)))) as [f9 [F9 ->]].
replace (ma + d * (1 + f1) * (nb / n * (1 + f2)) * (1 + f3))
  with (ma + s * ((1 + f1) * (1 + f2) * (1 + f3))) by (unfold s; ring).
change (unit Double) with w in *.
assert (Heta := mean_step f1 f2 f3 f4 ma s c r Pr F1 F2 F3 F4 Hx Hs). fold x in Heta.
assert (Hq := m2_step f1 f2 f6 f7 f5 f8 f9 (qa + qb) b ltac:(lra) Hb0 F1 F2 F6 F7 F5 F8 F9).
set (eta := (ma + s * ((1 + f1) * (1 + f2) * (1 + f3))) * (1 + f4) - x) in *.
replace ((ma + s * ((1 + f1) * (1 + f2) * (1 + f3))) * (1 + f4)) with (x + eta)
  by (unfold eta; ring).
set (q := ((qa + qb) * (1 + f5) + b * ((1 + f1) * (1 + f1) * (1 + f2) * (1 + f6) * (1 + f7) * (1
  + f8)))
          * (1 + f9)) in *.
clearbody eta q. clear f1 f2 f3 f4 f5 f6 f7 f8 f9 F1 F2 F3 F4 F5 F6 F7 F8 F9.
(* n * r is at most N * D, but for the hundredth; n * r^2 likewise. *)
assert (HN2 : 0 <= N * D ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]).
assert (R2 : n * r ^ 2 <= 101 / 100 * (N * D ^ 2)) by (rewrite Er; exact HW).
assert (R1 : n * r <= 1005 / 1000 * (N * D)).
{ assert (0 <= n * r) by (apply Rmult_le_pos; lra). assert (0 <= N * D)
    by (apply Rmult_le_pos; lra).
  rewrite <- (Rabs_pos_eq (n * r)) by assumption. apply sq_le; [lra|].
  replace ((n * r) ^ 2) with (n * (n * r ^ 2)) by ring.
  apply Rle_trans with (N * (101 / 100 * (N * D ^ 2))).
  - apply Rmult_le_compat; try lra. apply Rmult_le_pos; [lra | apply pow2_ge_0].
  - replace (N * (101 / 100 * (N * D ^ 2))) with (101 / 100 * (N * D) ^ 2) by ring.
    generalize (pow2_ge_0 (N * D)). intros. rewrite (Rpow_mult_distr (1005 / 1000)). lra. }
assert (HNc : n * Rabs c <= l * (N * D)).
{ apply Rle_trans with (N * (l * D)); [|right; ring]. generalize (Rabs_pos c). intros.
  apply Rmult_le_compat; lra. }
split; [|split].
- assert (0 <= (qa + qb) + b) by lra. unfold Rabs in Hq. destruct (Rcase_abs (q - (qa + qb + b)));
    lra.
- replace (n * (x + eta - c) - (na * (ma - c) + nb * (mb - c))) with (n * eta)
    by (unfold x, s, d, n; field; lra).
  rewrite Rabs_mult, (Rabs_pos_eq n) by lra.
  apply Rle_trans with (n * (w * (Rabs c + 401 / 100 * r))); [apply Rmult_le_compat_l; lra|].
  unfold phi. assert (0 <= N * D) by (apply Rmult_le_pos; lra). lra.
- rewrite EW.
  replace (q + n * (x + eta - c) ^ 2 - (qa + qb + b + n * (x - c) ^ 2))
    with ((q - (qa + qb + b)) + (2 * (n * ((x - c) * eta)) + n * eta ^ 2)) by ring.
  eapply Rle_trans; [apply Rabs_triang|].
  assert (V1 : Rabs (q - (qa + qb + b)) <= 701 / 100 * w * (101 / 100 * (N * D ^ 2))).
  { eapply Rle_trans; [exact Hq|]. apply Rmult_le_compat_l; [lra|].
    assert (0 <= n * (x - c) ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]). lra. }
  assert (V2 : Rabs (n * ((x - c) * eta)) <= w * ((n * r) * Rabs c + 401 / 100 * (n * r ^ 2))).
  { rewrite !Rabs_mult, (Rabs_pos_eq n) by lra.
    replace (w * ((n * r) * Rabs c + 401 / 100 * (n * r ^ 2)))
      with (n * (r * (w * (Rabs c + 401 / 100 * r)))) by ring.
    apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat; try apply Rabs_pos; assumption. }
  assert (V3 : (n * r) * Rabs c <= 1005 / 1000 * (l * (N * D ^ 2))).
  { apply Rle_trans with (1005 / 1000 * (N * D) * (l * D)); [|right; ring].
    apply Rmult_le_compat; try apply Rabs_pos; try lra. apply Rmult_le_pos; lra. }
  assert (V4 : n * eta ^ 2 <= w * w * (2 * l * l * (N * D ^ 2) + 2 * (1609 / 100) * (n * r ^ 2))).
  { apply Rle_trans with (n * (w * (Rabs c + 401 / 100 * r)) ^ 2).
    - apply Rmult_le_compat_l; [lra|]. rewrite <- (pow2_abs eta). apply pow_incr. split;
        [apply Rabs_pos | exact Heta].
    - assert (U1 : (Rabs c + 401 / 100 * r) ^ 2 <= 2 * Rabs c ^ 2 + 2 * (1609 / 100) * r ^ 2)
        by (generalize (pow2_ge_0 (Rabs c - 401 / 100 * r)) (pow2_ge_0 r); nra).
      assert (U2 : Rabs c ^ 2 <= (l * D) ^ 2) by (apply pow_incr; split;
        [apply Rabs_pos | exact Hc]).
      assert (U3 : n * (l * D) ^ 2 <= N * (l * D) ^ 2)
        by (apply Rmult_le_compat_r; [apply pow2_ge_0 | lra]).
      assert (U4 : n * (Rabs c + 401 / 100 * r) ^ 2 <=
        2 * l * l * (N * D ^ 2) + 2 * (1609 / 100) * (n * r ^ 2)).
      { apply Rle_trans with (n * (2 * (l * D) ^ 2 + 2 * (1609 / 100) * r ^ 2)).
        - apply Rmult_le_compat_l; lra.
        - lra. }
      replace (n * (w * (Rabs c + 401 / 100 * r)) ^ 2)
        with (w * w * (n * (Rabs c + 401 / 100 * r) ^ 2)) by ring.
      apply Rmult_le_compat_l; lra. }
  assert (V5 : l * w * (l * (N * D ^ 2)) <= 1 / 1000 * (l * (N * D ^ 2))).
  { apply Rmult_le_compat_r; [|exact Hlw]. now apply Rmult_le_pos. }
  assert (V6 : 0 <= n * eta ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]).
  assert (V7 : Rabs (2 * (n * ((x - c) * eta)) + n * eta ^ 2) <=
    2 * Rabs (n * ((x - c) * eta)) + n * eta ^ 2).
  { eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult, (Rabs_pos_eq 2),
      (Rabs_pos_eq (n * eta ^ 2)) by lra. lra. }
  assert (V8 : 0 <= l * (N * D ^ 2)) by now apply Rmult_le_pos.
  unfold gam. set (Y := N * D ^ 2) in *. set (lY := l * Y) in *.
  replace (w * (202 / 100 * l + 153 / 10) * Y) with (w * (202 / 100 * lY + 153 / 10 * Y))
    by (unfold lY; ring).
  replace (w * w * (2 * l * l * Y + 2 * (1609 / 100) * (n * r ^ 2)))
    with (w * (2 * (l * w * lY)) + w * w * (2 * (1609 / 100) * (n * r ^ 2))) in V4
      by (unfold lY; ring).
  lra.
Qed.

(* ---- k merges ---- *)

Section Merges.
Variable share : Type.
Variable given : share -> moments.

Fixpoint merged (s : tree share) : moments :=
  match s with
  | Empty => Moments 0 0 0
  | Leaf a => given a
  | Node _ l r => merge (merged l) (merged r)
  end.

(* k: how many merges there are. *)
Fixpoint merges (s : tree share) : R :=
  match s with Node _ l r => merges l + merges r + 1 | _ => 0 end.

Fixpoint full (s : tree share) : Prop :=
  match s with Empty => False | Leaf _ => True | Node _ l r => full l /\ full r end.

Hypothesis Hcount : forall a, 0 < count (given a).
Hypothesis Hm2 : forall a, 0 <= m2 (given a).

(* The exact moments of all shares. *)
Definition N (s : tree share) := sum (fun a => count (given a)) s.
Definition M (s : tree share) := sum (fun a => count (given a) * mean (given a)) s / N s.
Definition V (s : tree share) := sum (fun a => second (M s) (given a)) s.

Lemma merges_pos : forall s, 0 <= merges s.
Proof. induction s; simpl; lra. Qed.

Lemma N_pos : forall s, full s -> 0 < N s.
Proof.
unfold N. induction s as [| a | t l IHl r IHr]; simpl; intros H; [easy | apply Hcount |].
destruct H as [H1 H2]. specialize (IHl H1). specialize (IHr H2). lra.
Qed.

Lemma second_pos : forall c a, 0 <= second c (given a).
Proof.
intros c a. unfold second. generalize (Hm2 a) (Hcount a) (pow2_ge_0 (mean (given a) - c)). intros.
assert (0 <= count (given a) * (mean (given a) - c) ^ 2) by (apply Rmult_le_pos; lra). lra.
Qed.

Lemma merge_step : forall a b c N D l, 0 < D -> 0 <= l -> l * w <= 1 / 1000 -> Rabs c <= l * D ->
  0 < count a -> 0 < count b -> count a + count b <= N -> 0 <= m2 a -> 0 <= m2 b ->
  second c a + second c b <= 101 / 100 * (N * D ^ 2) ->
  count (merge a b) = count a + count b /\ 0 <= m2 (merge a b) /\
  Rabs (first c (merge a b) - (first c a + first c b)) <= phi l * (N * D) /\
  Rabs (second c (merge a b) - (second c a + second c b)) <= gam l * (N * D ^ 2).
Proof.
intros a b c N' D l HD Hl Hlw Hc Ha Hb HN Ma Mb HW. unfold merge.
destruct (Rlt_dec (count a) (count b)) as [L | L].
- rewrite (Rplus_comm (first c a)), (Rplus_comm (second c a)).
  split; [simpl; ring|]. apply join_step; try assumption; lra.
- split; [reflexivity|]. apply join_step; try assumption; lra.
Qed.

Lemma merges_error : forall c Nall D l s, 0 < D -> 0 <= l -> l * w <= 1 / 1000 ->
  Rabs c <= l * D -> full s -> N s <= Nall -> 0 <= Nall ->
  sum (fun a => second c (given a)) s <= Nall * D ^ 2 -> merges s * gam l <= 1 / 100 ->
  count (merged s) = N s /\ 0 <= m2 (merged s) /\
  Rabs (first c (merged s) - sum (fun a => first c (given a)) s)
    <= merges s * (phi l * (Nall * D)) /\
  Rabs (second c (merged s) - sum (fun a => second c (given a)) s) <=
    merges s * (gam l * (Nall * D ^ 2)).
Proof.
intros c Nall D l s HD Hl Hlw Hc.
assert (Pg : 0 <= gam l) by (unfold gam; lra).
induction s as [| a | t x IHx y IHy]; intros Hf HN HN0 HW Hk.
- easy.
- simpl. rewrite !Rminus_eq_0, !Rabs_R0. repeat split; try lra; try apply Hm2.
- destruct Hf as [Fx Fy]. cbn [sum merged merges] in *.
  change (N (Node t x y)) with (N x + N y) in *.
  assert (Nx := N_pos x Fx). assert (Ny := N_pos y Fy).
  assert (Wx : 0 <= sum (fun a => second c (given a)) x)
    by (apply sum_pos, every_all; intros; apply second_pos).
  assert (Wy : 0 <= sum (fun a => second c (given a)) y)
    by (apply sum_pos, every_all; intros; apply second_pos).
  assert (Kx := merges_pos x). assert (Ky := merges_pos y).
  assert (Kxg : 0 <= merges x * gam l) by now apply Rmult_le_pos.
  assert (Kyg : 0 <= merges y * gam l) by now apply Rmult_le_pos.
  destruct (IHx Fx ltac:(lra) HN0 ltac:(lra) ltac:(lra)) as [Cx [Mx [Sx Tx]]].
  destruct (IHy Fy ltac:(lra) HN0 ltac:(lra) ltac:(lra)) as [Cy [My [Sy Ty]]].
  clear IHx IHy.
  assert (HY : 0 <= Nall * D ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]).
  destruct (merge_step (merged x) (merged y) c Nall D l) as [E1 [E2 [E3 E4]]]; try assumption;
    try lra.
  { assert ((merges x * gam l + merges y * gam l) * (Nall * D ^ 2) <= 1 / 100 * (Nall * D ^ 2))
      by (apply Rmult_le_compat_r; lra).
    set (Y := Nall * D ^ 2) in *. unfold Rabs in Tx, Ty.
    destruct (Rcase_abs (second c (merged x) - sum (fun a => second c (given a)) x)),
      (Rcase_abs (second c (merged y) - sum (fun a => second c (given a)) y)); lra. }
  repeat split; try assumption.
  + rewrite E1, Cx, Cy. reflexivity.
  + set (a := first c (merged x)) in *. set (b := first c (merged y)) in *.
    replace (first c (merge (merged x) (merged y)) - _) with
      ((first c (merge (merged x) (merged y)) - (a + b)) +
       ((a - sum (fun a => first c (given a)) x)
         + (b - sum (fun a => first c (given a)) y))) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    eapply Rle_trans; [apply Rplus_le_compat_l, Rabs_triang|]. lra.
  + set (a := second c (merged x)) in *. set (b := second c (merged y)) in *.
    replace (second c (merge (merged x) (merged y)) - _) with
      ((second c (merge (merged x) (merged y)) - (a + b)) +
       ((a - sum (fun a => second c (given a)) x)
         + (b - sum (fun a => second c (given a)) y))) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    eapply Rle_trans; [apply Rplus_le_compat_l, Rabs_triang|]. lra.
Qed.

(* What k merges add to the mean, and to m2. D is the deviation, l * D the largest |mean|: of float
   l is at most 2^25, of doubles l * w is d of NUMERICS. *)
Theorem merges_add : forall s D l, full s -> 0 < D -> 0 <= l -> l * w <= 1 / 1000 ->
  Rabs (M s) <= l * D -> V s <= N s * D ^ 2 -> merges s * gam l <= 1 / 100 ->
  count (merged s) = N s /\ 0 <= m2 (merged s) /\
  Rabs (mean (merged s) - M s) <= merges s * phi l * D /\
  Rabs (m2 (merged s) - V s) <= merges s * (101 / 100 * gam l) * (N s * D ^ 2).
Proof.
intros s D l Hf HD Hl Hlw HM HV Hk.
assert (PN := N_pos s Hf). assert (Pk := merges_pos s).
destruct (merges_error (M s) (N s) D l s) as [E1 [E2 [E3 E4]]]; try assumption; try lra.
assert (Z : sum (fun a => first (M s) (given a)) s = 0).
{ unfold first.
  replace (sum (fun a => count (given a) * (mean (given a) - M s)) s) with
    (sum (fun a => count (given a) * mean (given a)) s - M s * N s).
  - unfold M. field. lra.
  - unfold N. rewrite <- sum_scal, <- sum_minus. apply sum_ext, every_all. intros a. ring. }
rewrite Z, Rminus_0_r in E3. fold (V s) in E4. unfold first in E3. rewrite E1 in E3.
set (eps := mean (merged s) - M s) in *.
assert (E5 : Rabs eps <= merges s * phi l * D).
{ apply Rmult_le_reg_l with (N s); [exact PN|]. rewrite Rabs_mult, (Rabs_pos_eq (N s)) in E3 by lra.
    lra. }
split; [exact E1|]. split; [exact E2|]. split; [exact E5|].
unfold second in E4. rewrite E1 in E4. fold eps in E4.
replace (m2 (merged s) - V s) with ((m2 (merged s) + N s * eps ^ 2 - V s)
  + - (N s * eps ^ 2)) by ring.
eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp.
assert (Pphi : 0 <= phi l) by (unfold phi; lra).
assert (Hpg : phi l <= gam l) by (unfold phi, gam; lra).
assert (Hkp : 0 <= merges s * phi l) by now apply Rmult_le_pos.
assert (Hkg : merges s * phi l <= merges s * gam l) by now apply Rmult_le_compat_l.
assert (G : Rabs (N s * eps ^ 2) <= 1 / 100 * (merges s * gam l) * (N s * D ^ 2)).
{ rewrite Rabs_pos_eq by (apply Rmult_le_pos; [lra | apply pow2_ge_0]).
  apply Rle_trans with (N s * (merges s * phi l * D) ^ 2).
  - apply Rmult_le_compat_l; [lra|]. rewrite <- (pow2_abs eps). apply pow_incr.
    split; [apply Rabs_pos | exact E5].
  - replace (N s * (merges s * phi l * D) ^ 2) with
      (merges s * phi l * (merges s * phi l) * (N s * D ^ 2)) by ring.
    apply Rmult_le_compat_r; [apply Rmult_le_pos; [lra | apply pow2_ge_0]|].
    apply Rmult_le_compat; lra. }
lra.
Qed.
End Merges.

(* ---- rstd from merged moments: nrm_apply ---- *)

Definition var_eps_of (a : moments) (eps : R) := rnd Double (rnd Double (m2 a / count a) + eps).
Definition rstd_of (a : moments) (eps : R) := rnd Double (1 / rnd Double (sqrt (var_eps_of a eps))).

Lemma root : forall c T S, 0 <= c <= 1 / 100 -> 0 < S -> Rabs (T - S) <= c * S ->
  0 < T /\ Rabs (sqrt S / sqrt T - 1) <= c / 2 + c * c.
Proof.
intros c T S Hc HS H.
assert (B : S * (1 - c) <= T <= S * (1 + c)) by (unfold Rabs in H; destruct (Rcase_abs (T - S));
  lra).
assert (PT : 0 < T) by nra. split; [exact PT|].
assert (QS := sqrt_lt_R0 S HS). assert (QT := sqrt_lt_R0 T PT).
set (x := sqrt S / sqrt T). assert (Px : 0 < x) by now apply Rdiv_lt_0_compat.
assert (Ex : x ^ 2 * T = S).
{ unfold x. replace ((sqrt S / sqrt T) ^ 2 * T)
    with (sqrt S * sqrt S * (T * / (sqrt T * sqrt T))) by (field; lra).
  rewrite !sqrt_sqrt by lra. field. lra. }
assert (U1 : x ^ 2 * (1 - c) <= 1).
{ apply Rmult_le_reg_r with S; [exact HS|]. rewrite Rmult_1_l. rewrite <- Ex at 2.
  rewrite Rmult_assoc. apply Rmult_le_compat_l; [apply pow2_ge_0 | lra]. }
assert (U2 : 1 <= x ^ 2 * (1 + c)).
{ apply Rmult_le_reg_r with S; [exact HS|]. rewrite Rmult_1_l. rewrite <- Ex at 1.
  rewrite Rmult_assoc. apply Rmult_le_compat_l; [apply pow2_ge_0 | lra]. }
clear - Hc Px U1 U2. apply Rabs_le. split.
- destruct (Rle_or_lt (1 - (c / 2 + c * c)) x) as [|L]; [lra|]. exfalso.
  assert (x ^ 2 < (1 - (c / 2 + c * c)) ^ 2) by nra.
  assert ((1 - (c / 2 + c * c)) ^ 2 * (1 + c) <= 1) by nra. nra.
- destruct (Rle_or_lt x (1 + (c / 2 + c * c))) as [|L]; [lra|]. exfalso.
  assert ((1 + (c / 2 + c * c)) ^ 2 < x ^ 2) by nra.
  assert (1 <= (1 + (c / 2 + c * c)) ^ 2 * (1 - c)) by nra. nra.
Qed.

(* S is the exact var + eps; four roundings are of a double. *)
Theorem rstd_of_error : forall a eps c S, 0 < count a -> 0 <= m2 a -> 0 <= eps ->
  0 <= c <= 999 / 100000 -> 0 < S -> Rabs (m2 a / count a + eps - S) <= c * S ->
  exists f, Rabs f <= c / 2 + 11 / 10 * c * c + 4 * w /\ rstd_of a eps = 1 / sqrt S * (1 + f).
Proof.
intros a eps c S Hn Hq Heps Hc HS H. unfold rstd_of, var_eps_of.
assert (Pq : 0 <= m2 a / count a) by (apply Rmult_le_pos;
  [lra | now apply Rlt_le, Rinv_0_lt_compat]).
destruct (rnd_ex Double (m2 a / count a)) as [f1 [F1 ->]].
destruct (rnd_ex Double (m2 a / count a * (1 + f1) + eps)) as [f2 [F2 ->]].
set (T := (m2 a / count a * (1 + f1) + eps) * (1 + f2)). simpl unit in *.
set (x := m2 a / count a) in *.
assert (HT : Rabs (T - S) <= (c + 21 / 10 * w) * S).
{ unfold T. replace ((x * (1 + f1) + eps) * (1 + f2) - S)
    with ((x + eps - S) * (1 + f2) + (x * f1 * (1 + f2) + S * f2)) by ring.
  assert (G2 : Rabs (1 + f2) <= 1 + w) by (eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_R1;
    lra).
  assert (Bx : x <= (1 + c) * S) by (unfold Rabs in H; destruct (Rcase_abs (x + eps - S)); lra).
  eapply Rle_trans; [apply Rabs_triang|].
  eapply Rle_trans; [apply Rplus_le_compat_l, Rabs_triang|]. rewrite !Rabs_mult.
  rewrite (Rabs_pos_eq x), (Rabs_pos_eq S) by lra.
  assert (A1 : Rabs (x + eps - S) * Rabs (1 + f2) <= c * S * (1 + w))
    by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
  assert (A2 : x * Rabs f1 * Rabs (1 + f2) <= (1 + c) * S * w * (1 + w)).
  { apply Rmult_le_compat; try apply Rabs_pos; try assumption.
    - apply Rmult_le_pos; [lra | apply Rabs_pos].
    - apply Rmult_le_compat; try apply Rabs_pos; assumption. }
  assert (A3 : S * Rabs f2 <= S * w) by (apply Rmult_le_compat_l; lra).
  assert (A4 : 0 <= c * S) by (apply Rmult_le_pos; lra). nra. }
destruct (root (c + 21 / 10 * w) T S ltac:(lra) HS HT) as [PT HX].
set (y := sqrt S / sqrt T) in *. assert (QS := sqrt_lt_R0 S HS). assert (QT := sqrt_lt_R0 T PT).
destruct (rnd_ex Double (sqrt T)) as [f3 [F3 ->]].
destruct (rnd_ex Double (1 / (sqrt T * (1 + f3)))) as [f4 [F4 ->]]. simpl unit in *.
assert (P3 : 1 - w <= 1 + f3 <= 1 + w) by (unfold Rabs in F3; destruct (Rcase_abs f3); lra).
set (g := (1 + f4) / (1 + f3)).
assert (Hg : Rabs (g - 1) <= 2001 / 1000 * w).
{ unfold g. replace ((1 + f4) / (1 + f3) - 1) with ((f4 - f3) * / (1 + f3)) by (field; lra).
  rewrite Rabs_mult.
  assert (Rabs (f4 - f3) <= 2 * w) by (unfold Rabs in F3, F4 |- *;
    destruct (Rcase_abs f3), (Rcase_abs f4), (Rcase_abs (f4 - f3)); lra).
  assert (Rabs (/ (1 + f3)) <= 20001 / 20000).
  { rewrite Rabs_pos_eq by (apply Rlt_le, Rinv_0_lt_compat; lra).
    apply Rmult_le_reg_r with (1 + f3); [lra|]. rewrite Rinv_l by lra. lra. }
  replace (2001 / 1000 * w) with (2 * w * (2001 / 2000)) by lra.
  apply Rmult_le_compat; try apply Rabs_pos; lra. }
exists (y * g - 1). split.
- replace (y * g - 1) with ((y - 1) * g + (g - 1)) by ring.
  eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult.
  assert (Rabs g <= 1 + 21 / 10 * w).
  { replace g with ((g - 1) + 1) by ring. eapply Rle_trans;
      [apply Rabs_triang|]. rewrite Rabs_R1. lra. }
  set (d := c + 21 / 10 * w) in *.
  assert (Rabs (y - 1) * Rabs g <= (d / 2 + d * d) * (1 + 21 / 10 * w))
    by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
  assert (d * d <= c * c + 1 / 20 * w) by (unfold d; clear - Hc; nra).
  assert (d * d <= 1 / 10000) by (unfold d; clear - Hc; nra).
  assert (0 <= c * c) by nra. unfold d in *. lra.
- unfold y, g. field. repeat split; lra.
Qed.

Section Added.
Variable share : Type.
Variable given : share -> moments.
Hypothesis Hcount : forall a, 0 < count (given a).
Hypothesis Hm2 : forall a, 0 <= m2 (given a).
Variable s : tree share.
Variable eps : R.
Let k := merges share s.
Let S := V share given s / N share given s + eps.
Let D := sqrt S.
Hypothesis Hs : full share s.
Hypothesis Heps : 0 <= eps.
Hypothesis HS : 0 < S.

(* l is |mean| in deviations. *)
Theorem merges_add_rstd : forall l, 0 <= l -> l * w <= 1 / 1000 ->
  Rabs (M share given s) <= l * D -> k * gam l <= 9 / 1000 ->
  Rabs (mean (merged share given s) - M share given s) <= k * phi l * D /\
  exists f, Rabs f <= 51 / 100 * (k * gam l) + 11 / 10 * (11 / 10 * (k * gam l) ^ 2) + 4 * w /\
    rstd_of (merged share given s) eps = 1 / D * (1 + f).
Proof.
intros l Hl Hlw HM Hk.
assert (PD : 0 < D) by now apply sqrt_lt_R0.
assert (ED : D ^ 2 = S) by (unfold D; apply pow2_sqrt; lra).
assert (PN : 0 < N share given s) by now apply N_pos.
assert (Pk : 0 <= k) by apply merges_pos.
assert (Pg : 0 <= gam l) by (unfold gam; lra).
assert (Pkg : 0 <= k * gam l) by now apply Rmult_le_pos.
assert (HV : V share given s <= N share given s * D ^ 2).
{ rewrite ED. unfold S. replace (N share given s * (V share given s / N share given s + eps))
    with (V share given s + N share given s * eps) by (field; lra).
  assert (0 <= N share given s * eps) by (apply Rmult_le_pos; lra). lra. }
destruct (merges_add share given Hcount Hm2 s D l Hs PD Hl Hlw HM HV ltac:(fold k; lra))
  as [E1 [E4 [E2 E3]]].
fold k in E2, E3. split; [exact E2|].
destruct (rstd_of_error (merged share given s) eps (101 / 100 * (k * gam l)) S)
  as [f [Hf Ef]]; try assumption; try lra.
- apply Rmult_le_reg_l with (N share given s); [exact PN|].
  rewrite <- (Rabs_pos_eq (N share given s)) at 1 by lra. rewrite <- Rabs_mult, E1.
  replace (N share given s * (m2 (merged share given s) / N share given s + eps - S))
    with (m2 (merged share given s) - V share given s) by (unfold S; field; lra).
  eapply Rle_trans; [exact E3|]. rewrite ED. right. ring.
- exists f. split; [|exact Ef]. eapply Rle_trans; [exact Hf|].
  assert (0 <= (k * gam l) ^ 2) by apply pow2_ge_0. lra.
Qed.

Section Float_data.
Notation e := (2 * u).

(* Float data: |mean| is at most 2^25 deviations. *)
(* BOUND nrm_merge, the mean, in deviations, for each of k merges | 0.033 | merge_mean |
   |mean| <= 2^25 deviations, k <= 2^20 *)
Theorem merge_mean : Rabs (M share given s) <= 33556000 * D -> k <= 1048576 ->
  Rabs (mean (merged share given s) - M share given s) <= 33 / 1000 * e * (k * D).
Proof.
intros HM Hk. assert (Pk : 0 <= k) by apply merges_pos.
assert (G : 0 <= gam 33556000 <= 1264 / 10000 * u) by (unfold gam; lra).
assert (P : phi 33556000 <= 33 / 1000 * e) by (unfold phi; lra).
assert (PD : 0 < D) by now apply sqrt_lt_R0.
assert (K : k * gam 33556000 <= k * (1264 / 10000 * u)) by (apply Rmult_le_compat_l; lra).
destruct (merges_add_rstd 33556000) as [E1 _]; try assumption; try lra.
eapply Rle_trans; [exact E1|]. replace (33 / 1000 * e * (k * D))
  with (k * (33 / 1000 * e) * D) by ring.
apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat_l; lra.
Qed.

(* BOUND nrm_merge, rstd, relatively, for each of k merges | 0.034 | merge_rstd |
   |mean| <= 2^25 deviations, k <= 2^20; and four roundings in double *)
Theorem merge_rstd : Rabs (M share given s) <= 33556000 * D -> k <= 1048576 ->
  exists f, rstd_of (merged share given s) eps = 1 / D * (1 + f) /\
    Rabs f - 4 * w <= 34 / 1000 * e * k.
Proof.
intros HM Hk. assert (Pk : 0 <= k) by apply merges_pos.
assert (G : 0 <= gam 33556000 <= 1264 / 10000 * u) by (unfold gam; lra).
assert (K : 0 <= k * gam 33556000 <= k * (1264 / 10000 * u))
  by (split; [apply Rmult_le_pos | apply Rmult_le_compat_l]; lra).
destruct (merges_add_rstd 33556000) as [_ [f [E2 E3]]]; try assumption; try lra.
exists f. split; [exact E3|]. set (x := k * gam 33556000) in *.
assert (x ^ 2 <= 8 / 1000 * x) by nra. lra.
Qed.
End Float_data.

Section Double_data.
Notation e := (2 * w).

(* Doubles: d is |mean| / deviation * 2^-53, as in NUMERICS. *)
Variable d : R.
Hypothesis Hd : 0 <= d <= 1 / 1000.
Hypothesis HM : Rabs (M share given s) * w <= d * D.
Hypothesis Hkd : k * d <= 1 / 300.
Hypothesis Hk : k <= 1099511627776.

Lemma merge_double : Rabs (mean (merged share given s) - M share given s) <= k * phi (d / w) * D /\
  k * gam (d / w) = 202 / 100 * (k * d) + 153 / 10 * (k * w) /\
  exists f, Rabs f <= 51 / 100 * (k * gam (d / w)) + 11 / 10 * (11 / 10 * (k * gam (d / w)) ^ 2)
    + 4 * w /\
    rstd_of (merged share given s) eps = 1 / D * (1 + f).
Proof.
assert (Pk : 0 <= k) by apply merges_pos.
assert (PD : 0 < D) by now apply sqrt_lt_R0.
set (l := d / w). assert (El : l * w = d) by (unfold l; field).
assert (Gk : k * gam l = 202 / 100 * (k * d) + 153 / 10 * (k * w))
  by (unfold gam; rewrite <- El; ring).
assert (Pkd : 0 <= k * d) by (apply Rmult_le_pos; lra).
destruct (merges_add_rstd l) as [E1 E2]; try lra.
- apply Rmult_le_reg_r with w; [lra|]. replace (l * D * w) with (l * w * D) by ring.
  rewrite El. exact HM.
- split; [exact E1|]. split; [exact Gk | exact E2].
Qed.

(* BOUND nrm_merge, F64, the mean, in deviations, for each of k merges | 2.1 | merge_mean_f64 |
   d <= 1/1000, k d <= 1/300, k <= 2^40; and k d *)
Theorem merge_mean_f64 :
  Rabs (mean (merged share given s) - M share given s) - k * d * D <= 21 / 10 * e * (k * D).
Proof.
destruct merge_double as [E _]. assert (Pk : 0 <= k) by apply merges_pos.
assert (PD : 0 < D) by now apply sqrt_lt_R0.
assert (k * phi (d / w) * D <= k * (d + 21 / 10 * e) * D).
{ apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat_l; [lra|]. unfold phi. lra. }
lra.
Qed.

(* BOUND nrm_merge, F64, rstd, relatively, for each of k merges | 4 | merge_rstd_f64 |
   the same; and 1.06 k d, and four roundings *)
Theorem merge_rstd_f64 : exists f, rstd_of (merged share given s) eps = 1 / D * (1 + f) /\
  Rabs f - 4 * w - 106 / 100 * (k * d) <= 4 * e * k.
Proof.
destruct merge_double as [_ [Gk [f [E2 E3]]]]. assert (Pk : 0 <= k) by apply merges_pos.
assert (Pkd : 0 <= k * d) by (apply Rmult_le_pos; lra).
exists f. split; [exact E3|].
assert (H : 0 <= k * gam (d / w) <= 87 / 10000) by lra. set (x := k * gam (d / w)) in *.
assert (x ^ 2 <= 87 / 10000 * x) by (clear - H; nra). lra.
Qed.
End Double_data.
End Added.

(* nrm_merge_sums: k shares one after the other are k additions in double, of which each rounds by
   2^-53 of the sum of what was added. *)
Notation e := (2 * u).

(* BOUND nrm_merge_sums, of the sum of what is added | 0.0001 | merge_sums |
   2^15 merges *)
Theorem merge_sums : forall A (f : A -> R) (s : tree A) n, within Double n s -> INR n <= 32768 ->
  Rabs (comp f s - sum f s) <= 1 / 10000 * e * sum (fun a => Rabs (f a)) s.
Proof.
intros A f s n H Hn.
assert (E : Rabs (comp f s - sum f s) <= ((1 + 0) * growth s - 1) * sum (fun a => Rabs (f a)) s).
{ apply tree_error; [lra|]. apply every_all. intros a. rewrite Rminus_eq_0, Rabs_R0. lra. }
eapply Rle_trans; [exact E|]. apply Rmult_le_compat_r.
- apply sum_pos, every_all. intros a. apply Rabs_pos.
- assert (G := growth_within A Double n s H).
  assert (P := pow_linear w n ltac:(lra) ltac:(lra)). change (unit Double) with w in G.
  assert (0 <= INR n) by apply pos_INR.
  assert (INR n * w <= 1 / 16384 * u) by lra. assert (0 <= INR n * w) by lra.
  assert ((INR n * w) ^ 2 <= INR n * w) by nra. lra.
Qed.

(* ---- Shares that are off themselves ---- *)

(* nrm_reduce gives each share's moments with errors: em of its deviation sqrt(m2 / count + eps) and
   om of its mean (the mean's rounding), and ev of m2. Merging these exactly, what does it leave?
   The mean's error does not grow. That of m2 takes up how far the shares' means are apart. *)
Section Shares.
Variable share : Type.
Variables given exact : share -> moments.
Variables em ev om eps l : R.
Hypothesis Hcount : forall a, 0 < count (given a).
Hypothesis Hsame : forall a, count (exact a) = count (given a).
Hypothesis Hpos : forall a, 0 <= m2 (exact a).
Hypothesis Heps : 0 <= eps.
Hypothesis Hem : 0 <= em <= 1 / 1000.
Hypothesis Hev : 0 <= ev.
Hypothesis Hom : 0 <= om <= 1 / 1000.
Hypothesis Hl : 0 <= l.

Definition square (a : share) := m2 (exact a) / count (exact a) + eps.
Hypothesis Hmean : forall a, exists e1 e2, mean (given a) = mean (exact a) + e1 + e2 /\
  e1 ^ 2 <= em ^ 2 * square a /\ Rabs e2 <= om * Rabs (mean (exact a)).
Hypothesis Hm2 : forall a, Rabs (m2 (given a) - m2 (exact a)) <= ev * (count (exact a) * square a).

Variable s : tree share.
Hypothesis Hs : full share s.
Let Nx := N share exact s.
Let Mx := M share exact s.
Let S := V share exact s / Nx + eps.
Let D := sqrt S.
Hypothesis HS : 0 < S.
Hypothesis Hmx : Rabs Mx <= l * D.

Lemma N_same : N share given s = Nx.
Proof. unfold Nx, N. apply sum_ext, every_all. intros a. now rewrite Hsame. Qed.

Let n (a : share) := count (exact a).
Let y (a : share) := mean (exact a) - Mx.
Let sq (a : share) := square a.

Lemma n_pos : forall a, 0 < n a.
Proof. intros a. unfold n. rewrite Hsame. apply Hcount. Qed.

Lemma sq_pos : forall a, 0 <= sq a.
Proof.
intros a. unfold sq, square. assert (0 <= m2 (exact a) / count (exact a)); [|lra].
apply Rmult_le_pos; [apply Hpos | apply Rlt_le, Rinv_0_lt_compat, n_pos].
Qed.

Lemma Nx_pos : 0 < Nx.
Proof. rewrite <- N_same. now apply N_pos. Qed.

Lemma D_pos : 0 < D.
Proof. now apply sqrt_lt_R0. Qed.

Lemma D_square : D ^ 2 = S.
Proof. unfold D. apply pow2_sqrt. lra. Qed.

(* The shares' own squares and those of their means add up to all. *)
Lemma squares : sum (fun a => n a * (sq a + y a ^ 2)) s = Nx * D ^ 2.
Proof.
rewrite D_square. unfold S. assert (P := Nx_pos).
replace (Nx * (V share exact s / Nx + eps)) with (V share exact s + eps * Nx) by (field; lra).
unfold V, Nx, N. rewrite <- sum_scal, <- sum_plus. apply sum_ext, every_all. intros a.
generalize (n_pos a). unfold second, sq, square, y, n, Mx. intros. field. lra.
Qed.

(* One share's error of the mean; r is its deviation. *)
Let d (a : share) := mean (given a) - mean (exact a).
Let r (a : share) := sqrt (sq a).

Lemma r_square : forall a, 0 <= r a /\ r a ^ 2 = sq a.
Proof. intros a. unfold r. split; [apply sqrt_pos | apply pow2_sqrt, sq_pos]. Qed.

Lemma share_error : forall a, Rabs (d a) <= em * r a + om * (l * D + Rabs (y a)).
Proof.
intros a. destruct (Hmean a) as [e1 [e2 [E [H1 H2]]]]. destruct (r_square a) as [R0 R2].
unfold d. rewrite E. replace (mean (exact a) + e1 + e2 - mean (exact a)) with (e1 + e2) by ring.
eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat.
- apply sq_le; [apply Rmult_le_pos; lra|]. rewrite Rpow_mult_distr, R2. exact H1.
- eapply Rle_trans; [exact H2|]. apply Rmult_le_compat_l; [lra|].
  replace (mean (exact a)) with (Mx + y a) by (unfold y; ring).
  eapply Rle_trans; [apply Rabs_triang | lra].
Qed.

(* x <= (x^2 + D^2) / (2 D) *)
Lemma amgm : forall x, x * (2 * D) <= x ^ 2 + D ^ 2.
Proof. intros x. generalize (pow2_ge_0 (x - D)). nra. Qed.

(* The mean of all: no more than that of one share, and its rounding. *)
Theorem shares_mean : Rabs (M share given s - Mx) <= (em + om * (l + 1)) * D.
Proof.
assert (PN := Nx_pos). assert (PD := D_pos).
assert (E : Nx * (M share given s - Mx) = sum (fun a => n a * d a) s).
{ replace (sum (fun a => n a * d a) s) with (sum (fun a => count (given a) * mean (given a)) s -
    sum (fun a => count (exact a) * mean (exact a)) s).
  - unfold M, Mx. unfold M. fold Nx. rewrite N_same. field. lra.
  - rewrite <- sum_minus. apply sum_ext, every_all. intros a. unfold n, d. rewrite Hsame. ring. }
assert (G : Rabs (sum (fun a => n a * d a) s) * (2 * D) <=
  sum (fun a => (em + om) * (n a * (sq a + y a ^ 2)) + (em + om + 2 * om * l) * (D ^ 2 * n a)) s).
{ rewrite <- (Rabs_pos_eq (2 * D)) at 1 by lra. rewrite <- Rabs_mult, Rmult_comm, <- sum_scal.
  apply sum_abs, every_all. intros a. assert (Pn := n_pos a). destruct (r_square a) as [R0 R2].
  rewrite (Rabs_mult (2 * D)), (Rabs_mult (n a)), (Rabs_pos_eq (2 * D)), (Rabs_pos_eq (n a)) by lra.
  replace ((em + om) * (n a * (sq a + y a ^ 2)) + (em + om + 2 * om * l) * (D ^ 2 * n a))
    with (n a * ((em + om) * (sq a + y a ^ 2) + (em + om + 2 * om * l) * D ^ 2)) by ring.
  replace (2 * D * (n a * Rabs (d a))) with (n a * (Rabs (d a) * (2 * D))) by ring.
  apply Rmult_le_compat_l; [lra|].
  assert (H := share_error a). assert (A1 := amgm (r a)). assert (A2 := amgm (Rabs (y a))).
  rewrite R2 in A1. rewrite pow2_abs in A2.
  assert (Rabs (d a) * (2 * D) <= (em * r a + om * (l * D + Rabs (y a))) * (2 * D))
    by (apply Rmult_le_compat_r; lra).
  assert (em * (r a * (2 * D)) <= em * (sq a + D ^ 2)) by (apply Rmult_le_compat_l; lra).
  assert (om * (Rabs (y a) * (2 * D)) <= om * (y a ^ 2 + D ^ 2)) by (apply Rmult_le_compat_l; lra).
  assert (S0 := sq_pos a). assert (Y0 := pow2_ge_0 (y a)).
  assert (0 <= em * y a ^ 2) by (apply Rmult_le_pos; lra).
  assert (0 <= om * sq a) by (apply Rmult_le_pos; lra). lra. }
rewrite sum_plus, !sum_scal, squares in G. fold (N share exact s) in G. fold Nx in G.
rewrite <- E, Rabs_mult, (Rabs_pos_eq Nx) in G by lra.
apply Rmult_le_reg_l with (Nx * (2 * D)); [apply Rmult_lt_0_compat; lra|].
replace (sum n s) with Nx in G by reflexivity.
eapply Rle_trans; [|eapply Rle_trans; [exact G|]]; [right; ring|right; ring].
Qed.

(* m2 of all. lam shares out what one share's error of the mean does: to its own square, and to that
   of how far its mean is from all. *)
Theorem shares_m2 : forall lam b, 0 < lam ->
  ev + em * lam + 3 * em ^ 2 <= b -> em / lam + om * l + 2 * om + 3 * om ^ 2 <= b ->
  Rabs (V share given s - V share exact s) <=
  (b + om * l + 3 * om ^ 2 * l ^ 2 + (em + om * (l + 1)) ^ 2) * (Nx * D ^ 2).
Proof.
intros lam b Hlam B1 B2. assert (PN := Nx_pos). assert (PD := D_pos).
set (M' := M share given s).
(* Around the exact mean. *)
assert (E : V share given s = sum (fun a => second Mx (given a)) s - Nx * (M' - Mx) ^ 2).
{ assert (EM : sum (fun a => count (given a) * mean (given a)) s = M' * Nx)
    by (unfold M', M; rewrite N_same; field; lra).
  assert (EN : sum (fun a => count (given a)) s = Nx) by exact N_same.
  unfold V. fold M'.
  replace (sum (fun a => second M' (given a)) s) with (sum (fun a => second Mx (given a)
    - 2 * (M' - Mx) * (count (given a) * mean (given a)) + (M' ^ 2 - Mx ^ 2) * count (given a)) s).
  - rewrite sum_plus, sum_minus, !sum_scal, EM, EN. ring.
  - apply sum_ext, every_all. intros a. unfold second. ring. }
assert (W : Rabs (sum (fun a => second Mx (given a)) s - V share exact s) <=
  (b + om * l + 3 * om ^ 2 * l ^ 2) * (Nx * D ^ 2)).
{ unfold V. fold Mx. rewrite <- sum_minus.
  apply Rle_trans with (sum (fun a => b * (n a * (sq a + y a ^ 2)) +
    (om * l + 3 * om ^ 2 * l ^ 2) * D ^ 2 * n a) s).
  - apply sum_abs, every_all. intros a. assert (Pn := n_pos a). destruct (r_square a) as [R0 R2].
    replace (second Mx (given a) - second Mx (exact a)) with
      ((m2 (given a) - m2 (exact a)) + n a * (2 * (y a * d a) + d a ^ 2))
      by (unfold second, n, y, d; rewrite Hsame; ring).
    eapply Rle_trans; [apply Rabs_triang|].
    assert (H := share_error a). assert (Hq := Hm2 a). fold (n a) in Hq. fold (sq a) in Hq.
    assert (Y0 := Rabs_pos (y a)). assert (Y2 := pow2_abs (y a)). set (Y := Rabs (y a)) in *.
    assert (T1 : Rabs (y a * d a) <= Y * (em * r a + om * (l * D + Y))).
    { rewrite Rabs_mult. apply Rmult_le_compat_l; assumption. }
    assert (T2 : d a ^ 2 <= (em * r a + om * (l * D + Y)) ^ 2).
    { rewrite <- (pow2_abs (d a)). apply pow_incr. split; [apply Rabs_pos | exact H]. }
    assert (T3 : 2 * (Y * r a) <= lam * sq a + Y ^ 2 / lam).
    { apply Rmult_le_reg_r with lam; [exact Hlam|]. rewrite <- R2.
      replace ((lam * r a ^ 2 + Y ^ 2 / lam) * lam) with ((lam * r a) ^ 2 + Y ^ 2) by (field; lra).
      generalize (pow2_ge_0 (lam * r a - Y)). nra. }
    assert (T4 : em * (2 * (Y * r a)) <= em * (lam * sq a + Y ^ 2 / lam))
      by (apply Rmult_le_compat_l; lra).
    assert (T5 : om * l * (Y * (2 * D)) <= om * l * (Y ^ 2 + D ^ 2))
      by (apply Rmult_le_compat_l; [apply Rmult_le_pos; lra | apply amgm]).
    assert (T6 : (em * r a + om * (l * D + Y)) ^ 2 <=
      3 * (em ^ 2 * sq a + om ^ 2 * l ^ 2 * D ^ 2 + om ^ 2 * Y ^ 2)).
    { rewrite <- R2. set (p := em * r a). set (q := om * l * D). set (t := om * Y).
      replace (p + om * (l * D + Y)) with (p + q + t) by (unfold q, t; ring).
      replace (3 * (em ^ 2 * r a ^ 2 + om ^ 2 * l ^ 2 * D ^ 2 + om ^ 2 * Y ^ 2))
        with (3 * (p ^ 2 + q ^ 2 + t ^ 2)) by (unfold p, q, t; ring).
      generalize (pow2_ge_0 (p - q)) (pow2_ge_0 (p - t)) (pow2_ge_0 (q - t)). nra. }
    assert (T7 : Rabs (2 * (y a * d a) + d a ^ 2) <= 2 * Rabs (y a * d a) + d a ^ 2).
    { eapply Rle_trans; [apply Rabs_triang|].
      rewrite Rabs_mult, (Rabs_pos_eq 2), (Rabs_pos_eq (d a ^ 2))
        by (lra || apply pow2_ge_0). lra. }
    assert (S0 := sq_pos a). assert (YY := pow2_ge_0 Y).
    assert (Q1 : (ev + em * lam + 3 * em ^ 2) * sq a <= b * sq a) by (apply Rmult_le_compat_r; lra).
    assert (Q2 : (em / lam + om * l + 2 * om + 3 * om ^ 2) * Y ^ 2 <= b * Y ^ 2)
      by (apply Rmult_le_compat_r; lra).
    assert (Q3 : ev * sq a + Rabs (2 * (y a * d a) + d a ^ 2) <=
      b * (sq a + y a ^ 2) + (om * l + 3 * om ^ 2 * l ^ 2) * D ^ 2).
    { rewrite <- Y2. unfold Rdiv in *. lra. }
    rewrite Rabs_mult, (Rabs_pos_eq (n a)) by lra.
    assert (Q4 : n a * (ev * sq a + Rabs (2 * (y a * d a) + d a ^ 2)) <=
      n a * (b * (sq a + y a ^ 2) + (om * l + 3 * om ^ 2 * l ^ 2) * D ^ 2))
      by (apply Rmult_le_compat_l; lra).
    lra.
  - rewrite sum_plus, !sum_scal, squares. replace (sum n s) with Nx by reflexivity. right. ring. }
rewrite E. replace (sum (fun a => second Mx (given a)) s - Nx * (M' - Mx) ^ 2 - V share exact s)
  with ((sum (fun a => second Mx (given a)) s - V share exact s) + - (Nx * (M' - Mx) ^ 2)) by ring.
eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp.
assert (Z := shares_mean). fold M' in Z.
assert (Z2 : Rabs (Nx * (M' - Mx) ^ 2) <= Nx * ((em + om * (l + 1)) * D) ^ 2).
{ rewrite Rabs_pos_eq by (apply Rmult_le_pos; [lra | apply pow2_ge_0]).
  apply Rmult_le_compat_l; [lra|]. rewrite <- (pow2_abs (M' - Mx)). apply pow_incr.
  split; [apply Rabs_pos | exact Z]. }
rewrite Rpow_mult_distr in Z2. lra.
Qed.
End Shares.

(* ---- Joined: shares from float sums, merged, to dx ---- *)

(* nrm_reduce: what float sums that the acceptance test let stand give, and what is exact. *)
Definition reduced (L : tree R) (K : R) : moments :=
  Moments (size L) (Statistics.f_mean (Gradient.S1 K L) (size L) K)
    (Statistics.f_m2 (Gradient.S1 K L) (Gradient.S2 K L) (size L)).
Definition exact_moments (L : tree R) : moments :=
  Moments (size L) (Statistics.x_mean L) (size L * Statistics.x_var L).

Lemma reduced_error : forall planes K eps, Gradient.usual planes -> let L := total Double planes in
  Gradient.accepted L K eps ->
  (exists e1 e2, mean (reduced L K) = Statistics.x_mean L + e1 + e2 /\
    e1 ^ 2 <= (982 / 100 * u) ^ 2 * (Statistics.x_var L + eps) /\
    Rabs e2 <= w * Rabs (Statistics.x_mean L)) /\
  0 <= m2 (reduced L K) /\
  Rabs (m2 (reduced L K) - size L * Statistics.x_var L) <=
    2663 / 100 * u * (size L * (Statistics.x_var L + eps)).
Proof.
intros planes K eps HU L HA. assert (HA' := HA). destruct HA' as [Hm [Heps [HT Ha]]].
assert (Hg : 1 <= Gradient.list_growth <= 1 + 14 * unit Float) by exact Gradient.list_growth_small.
assert (HS := fun f => Gradient.summed_usual planes f HU). fold L in HS.
assert (H1 := HS (fun z => rnd Float (z - K))).
assert (H2 := HS (fun z => rnd Float (rnd Float (z - K) * rnd Float (z - K)))).
destruct (Statistics.rstd Float L K eps _ _ _ Hm Heps Hg H1 H2 HT Ha) as [HP _].
assert (Hd := Statistics.mean Float L K eps _ _ _ Hm Heps Hg H1 H2 HT Ha).
destruct (Statistics.moments Float L K eps _ _ _ Hm Heps Hg H1 H2 HT Ha) as [HV _].
assert (PV := Statistics.V_pos L Hm).
fold (Gradient.S1 K L) in *. fold (Gradient.S2 K L) in *.
assert (Be : Statistics.mean_limit_of_list Float Gradient.list_growth <= 9811 / 1000 * u).
{ unfold Statistics.mean_limit_of_list, Gradient.list_growth, Constants.block_height. simpl. lra. }
set (c := Statistics.variance_error _ _ _ _) in HV.
assert (Bc : 0 <= c <= 2661 / 100 * u).
{ unfold c, Statistics.variance_error, Gradient.list_growth, Constants.block_height. simpl. lra. }
clearbody c. set (S := Statistics.x_var L + eps) in *.
unfold reduced. cbn [mean m2].
split; [|split].
- unfold Statistics.f_mean. set (x := K + Statistics.f_dm (Gradient.S1 K L) (size L)) in *.
  destruct (rnd_ex Double x) as [f [F ->]]. simpl unit in F.
  exists ((x - Statistics.x_mean L) * (1 + f)), (Statistics.x_mean L * f). split; [ring|]. split.
  + assert (Q := sqrt_pos S). assert (Q2 : sqrt S * sqrt S = S) by (apply sqrt_sqrt; lra).
    assert (E : (982 / 100 * u * sqrt S) ^ 2 = (982 / 100 * u) ^ 2 * S).
    { replace ((982 / 100 * u * sqrt S) ^ 2) with ((982 / 100 * u) ^ 2 * (sqrt S * sqrt S)) by ring.
      rewrite Q2. reflexivity. }
    rewrite <- E. clear E.
    rewrite <- (pow2_abs ((x - _) * _)). apply pow_incr. split; [apply Rabs_pos|].
    rewrite Rabs_mult.
    assert (Rabs (1 + f) <= 1 + w) by (eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_R1;
      lra).
    apply Rle_trans with (9811 / 1000 * u * sqrt S * (1 + w)).
    * apply Rmult_le_compat; try apply Rabs_pos; [|assumption].
      eapply Rle_trans; [exact Hd|]. apply Rmult_le_compat_r; lra.
    * assert (0 <= u * sqrt S) by (apply Rmult_le_pos; lra). lra.
  + rewrite Rabs_mult, Rmult_comm. apply Rmult_le_compat_r; [apply Rabs_pos | exact F].
- apply Rmax_l.
- revert HV HT. unfold Statistics.f_var_eps.
  assert (P0 : 0 <= Statistics.f_m2 (Gradient.S1 K L) (Gradient.S2 K L) (size L)) by apply Rmax_l.
  set (q := Statistics.f_m2 _ _ _) in *.
  set (x := q / size L).
  assert (Px : 0 <= x) by (apply Rmult_le_pos; [exact P0 | now apply Rlt_le, Rinv_0_lt_compat]).
  destruct (rnd_ex Double x) as [a [A ->]].
  destruct (rnd_ex Double (x * (1 + a) + eps)) as [b [B ->]]. simpl unit in *.
  set (T := (x * (1 + a) + eps) * (1 + b)). intros HV HT.
  assert (TX : Rabs (T - (x + eps)) <= 21 / 10 * w * (x + eps)).
  { unfold T. replace ((x * (1 + a) + eps) * (1 + b) - (x + eps))
      with (x * (a + b + a * b) + eps * b) by ring.
    eapply Rle_trans; [apply Rabs_triang|]. rewrite !Rabs_mult, (Rabs_pos_eq x),
      (Rabs_pos_eq eps) by lra.
    assert (Rabs (a + b + a * b) <= 21 / 10 * w).
    { eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult.
      assert (Rabs a * Rabs b <= w * w) by (apply Rmult_le_compat; try apply Rabs_pos; assumption).
      assert (Rabs (a + b) <= 2 * w) by (eapply Rle_trans; [apply Rabs_triang | lra]). lra. }
    assert (x * Rabs (a + b + a * b) <= x * (21 / 10 * w)) by (apply Rmult_le_compat_l; lra).
    assert (eps * Rabs b <= eps * (21 / 10 * w)) by (apply Rmult_le_compat_l; lra). lra. }
  replace (q - size L * Statistics.x_var L) with (size L * (x + eps - S))
    by (unfold x, S; field; lra).
  rewrite Rabs_mult, (Rabs_pos_eq (size L)) by lra.
  replace (2663 / 100 * u * (size L * S)) with (size L * (2663 / 100 * u * S)) by ring.
  apply Rmult_le_compat_l; [lra|].
  apply Statistics.abs_le in TX, HV. apply Rabs_le.
  assert (c * T <= 2661 / 100 * u * T) by (apply Rmult_le_compat_r; lra).
  split; lra.
Qed.

Section Merged.
Variable share : Type.
Variable planes : share -> list (list (list (tree R))).
Variable pilot : share -> R.
Variable eps : R.
Let L (a : share) := total Double (planes a).
Hypothesis Husual : forall a, Gradient.usual (planes a).
Hypothesis Haccepted : forall a, Gradient.accepted (L a) (pilot a) eps.
Variable s : tree share.
Hypothesis Hs : full share s.
Hypothesis Heps : 0 <= eps.

Let given (a : share) := reduced (L a) (pilot a).
Let exact (a : share) := exact_moments (L a).
Let k := merges share s.
Let Nx := N share exact s.
Let Mx := M share exact s.
Let S := V share exact s / Nx + eps.
Let D := sqrt S.
Hypothesis HS : 0 < S.
Hypothesis Hmean : Rabs Mx <= Constants.mean_limit * D.
Hypothesis Hk : k <= 4096.

Definition merged_statistic (exponent : Z) (a : type) :=
  Gradient.Statistic Mx (1 / D) (mean (merged share given s)) (rstd_of (merged share given s) eps)
    exponent a.

Theorem merged_fair : forall exponent a,
  Gradient.fair (99 / 10 * u + k * (63 / 1000 * u)) (15 * u + k * (64 / 1000 * u))
    (merged_statistic exponent a).
Proof.
intros exponent arith.
assert (Bx : Rabs Mx <= 33554432 * D) by (unfold Constants.mean_limit in Hmean; lra).
assert (Pk : 0 <= k) by apply merges_pos.
assert (PL : forall a, 0 < size (L a)) by (intros a; apply (Haccepted a)).
assert (PV : forall a, 0 <= Statistics.x_var (L a)) by (intros a; apply Statistics.V_pos, PL).
assert (Pg : forall a, 0 < count (given a)) by (intros a; apply PL).
assert (Pq : forall a, 0 <= m2 (given a)) by (intros a; apply Rmax_l).
assert (Px : forall a, 0 <= m2 (exact a))
  by (intros a; apply Rmult_le_pos; [apply Rlt_le, PL | apply PV]).
assert (Sq : forall a, square share exact eps a = Statistics.x_var (L a) + eps).
{ intros a. unfold square, exact, exact_moments. cbn [m2 count]. field. generalize (PL a). lra. }
assert (PD : 0 < D) by now apply sqrt_lt_R0.
assert (ED : D ^ 2 = S) by (unfold D; apply pow2_sqrt; lra).
(* What the shares' own errors leave. *)
assert (E1 : forall a, exists e1 e2, mean (given a) = mean (exact a) + e1 + e2 /\
  e1 ^ 2 <= (982 / 100 * u) ^ 2 * square share exact eps a /\ Rabs e2 <= w * Rabs (mean (exact a))).
{ intros a. rewrite Sq. apply (reduced_error (planes a) (pilot a) eps (Husual a) (Haccepted a)). }
assert (E2 : forall a, Rabs (m2 (given a) - m2 (exact a)) <=
  2663 / 100 * u * (count (exact a) * square share exact eps a)).
{ intros a. rewrite Sq. apply (reduced_error (planes a) (pilot a) eps (Husual a) (Haccepted a)). }
assert (H1 : Rabs (M share given s - Mx) <= (982 / 100 * u + w * (33554432 + 1)) * D).
{ apply (shares_mean share given exact (982 / 100 * u) w eps 33554432 Pg (fun a => eq_refl) Px Heps
    ltac:(lra) ltac:(lra) E1 s Hs HS). exact Bx. }
assert (H2 : Rabs (V share given s - V share exact s) <= 2995 / 100 * u * (Nx * D ^ 2)).
{ eapply Rle_trans; [apply (shares_m2 share given exact (982 / 100 * u) (2663 / 100 * u) w eps
    33554432
    Pg (fun a => eq_refl) Px Heps ltac:(lra) ltac:(lra) ltac:(lra) E1 E2 s Hs HS)
    with (lam := 33 / 100) (b := 2988 / 100 * u); try exact Bx; lra|].
  fold Nx. fold S. fold D. apply Rmult_le_compat_r; [|lra].
  apply Rmult_le_pos; [|apply pow2_ge_0]. apply Rlt_le. exact (N_pos share exact Pg s Hs). }
assert (PN : 0 < Nx) by exact (N_pos share exact Pg s Hs).
assert (EN : N share given s = Nx) by reflexivity.
set (Y := Nx * D ^ 2) in *.
assert (PY : 0 <= Y) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]).
assert (EV : V share exact s = Y - Nx * eps).
{ unfold Y. rewrite ED. unfold S. field. lra. }
(* What the merges add. D' holds the deviation of what was given. *)
set (D' := 100001 / 100000 * D).
assert (ED' : Nx * D' ^ 2 = (100001 / 100000) ^ 2 * Y) by (unfold D', Y; ring).
assert (Pe : 0 <= Nx * eps) by (apply Rmult_le_pos; lra).
assert (G : 0 <= gam 33555000 <= 12627 / 100000 * u) by (unfold gam; lra).
assert (P : 0 <= phi 33555000 <= 626 / 10000 * u) by (unfold phi; lra).
assert (Kg : 0 <= k * gam 33555000 <= k * (12627 / 100000 * u))
  by (split; [apply Rmult_le_pos | apply Rmult_le_compat_l]; lra).
assert (Kp : 0 <= k * phi 33555000 <= k * (626 / 10000 * u))
  by (split; [apply Rmult_le_pos | apply Rmult_le_compat_l]; lra).
destruct (merges_add share given Pg Pq s D' 33555000 Hs) as [F1 [PM [F2 F3]]].
- unfold D'. lra.
- lra.
- lra.
- apply Statistics.abs_le in H1, Bx. apply Rabs_le. unfold D'. lra.
- rewrite EN, ED'. apply Statistics.abs_le in H2. lra.
- fold k. lra.
- fold k in F2, F3. rewrite EN, ED' in F3. rewrite EN in F1.
  assert (KD : k * phi 33555000 * D' <= k * (6261 / 100000 * u) * D).
  { unfold D'. replace (k * phi 33555000 * (100001 / 100000 * D))
      with (100001 / 100000 * (k * phi 33555000) * D) by ring.
    apply Rmult_le_compat_r; lra. }
  assert (B1 : Rabs (mean (merged share given s) - Mx) <=
    (99 / 10 * u + k * (63 / 1000 * u)) * D).
  { replace (mean (merged share given s) - Mx)
      with ((mean (merged share given s) - M share given s) + (M share given s - Mx)) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    assert (0 <= k * u * D) by (apply Rmult_le_pos; [apply Rmult_le_pos|]; lra).
    assert (0 <= u * D) by lra. lra. }
  assert (B2 : Rabs (m2 (merged share given s) - V share exact s) <=
    (2995 / 100 * u + k * (12755 / 100000 * u)) * Y).
  { replace (m2 (merged share given s) - V share exact s)
      with ((m2 (merged share given s) - V share given s)
        + (V share given s - V share exact s)) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    assert (k * (101 / 100 * gam 33555000) * ((100001 / 100000) ^ 2 * Y) <=
      k * (12755 / 100000 * u) * Y).
    { replace (k * (101 / 100 * gam 33555000) * ((100001 / 100000) ^ 2 * Y))
        with (101 / 100 * (100001 / 100000) ^ 2 * (k * gam 33555000) * Y) by ring.
      apply Rmult_le_compat_r; lra. }
    lra. }
  set (c := 2995 / 100 * u + k * (12755 / 100000 * u)) in *.
  assert (Pc : 0 <= c <= 4 / 100000) by (unfold c; lra).
  destruct (rstd_of_error (merged share given s) eps c S) as [f [Hf Ef]]; try lra.
  + apply Rmult_le_reg_l with Nx; [exact PN|]. rewrite <- (Rabs_pos_eq Nx) at 1 by lra.
    rewrite <- Rabs_mult, F1.
    replace (Nx * (m2 (merged share given s) / Nx + eps - S))
      with (m2 (merged share given s) - V share exact s) by (unfold S; field; lra).
    eapply Rle_trans; [exact B2|]. unfold Y. rewrite ED. right. ring.
  + assert (P1 : 0 < 1 / D) by (apply Rdiv_lt_0_compat; lra).
    assert (Q : D * (1 / D) = 1) by (field; lra).
    unfold Gradient.fair, merged_statistic.
    cbn [Gradient.exact_mean Gradient.exact_rstd Gradient.mean Gradient.rstd].
    split; [exact P1|]. split; [lra|]. split; [|split; [|split]].
    * rewrite Rabs_mult, (Rabs_pos_eq (1 / D)), Rabs_minus_sym by lra.
      apply Rle_trans with ((99 / 10 * u + k * (63 / 1000 * u)) * D * (1 / D));
        [apply Rmult_le_compat_r; lra|]. rewrite Rmult_assoc, Q. lra.
    * exists (1 + f). split; [|exact Ef]. unfold Gradient.near.
      replace (1 + f - 1) with f by ring. eapply Rle_trans; [exact Hf|].
      assert (c * c <= 4 / 100000 * c) by (apply Rmult_le_compat_r; lra). unfold c in *. lra.
    * intros _. assert (Rabs (mean (merged share given s)) <= 33555000 * D).
      { apply Statistics.abs_le in B1, Bx. apply Rabs_le.
        assert (k * (63 / 1000 * u) * D <= 4096 * (63 / 1000 * u) * D)
          by (apply Rmult_le_compat_r; lra).
        lra. }
      apply Rle_trans with (33555000 * D * (1 / D)); [apply Rmult_le_compat_r; lra|].
      rewrite Rmult_assoc, Q. lra.
    * unfold Gradient.v, Gradient.in_float. cbn [Gradient.arith Gradient.exponent Gradient.rstd].
      destruct arith; [apply Flocq.Core.Raux.bpow_gt_0|]. rewrite Ef.
      apply Rmult_lt_0_compat; [exact P1|].
      assert (c * c <= 4 / 100000 * c) by (apply Rmult_le_compat_r; lra).
      apply Statistics.abs_le in Hf. lra.
Qed.
End Merged.

(* dx of nrm_backward_apply, from moments and sums that 16 merges at most gave. *)
Definition stands_merged (s : Gradient.statistic) := exists share planes pilot eps (t : tree share)
  x a,
  (forall a, Gradient.usual (planes a)) /\
  (forall a, Gradient.accepted (total Double (planes a)) (pilot a) eps) /\
  full share t /\ 0 <= eps /\ merges share t <= 16 /\
  0 < V share (fun a => exact_moments (total Double (planes a))) t /
      N share (fun a => exact_moments (total Double (planes a))) t + eps /\
  Rabs (Gradient.exact_mean s) * Gradient.exact_rstd s <= Constants.mean_limit /\
  s = merged_statistic share planes pilot eps t x a.

Notation em := (1091 / 100 * u).
Notation er := (1603 / 100 * u).

Lemma stands_merged_fair : forall s, stands_merged s -> Gradient.fair em er s.
Proof.
intros s [share [planes [pilot [eps [t [x [a [HU [HA [Hf [He [Hk [HS [Hm ->]]]]]]]]]]]]]].
assert (F := fun H => merged_fair share planes pilot eps HU HA t Hf He HS H ltac:(lra) x a).
assert (PD := sqrt_lt_R0 _ HS).
cbn [Gradient.exact_mean Gradient.exact_rstd merged_statistic] in Hm.
unfold merged_statistic in *. cbn [Gradient.exact_mean Gradient.exact_rstd] in Hm.
match type of F with ?H -> _ => assert (G : H) end.
{ set (D := sqrt _) in *. match goal with |- ?a <= ?b * _ => replace a with (a * (1 / D) * D)
    by (field; lra) end.
  apply Rmult_le_compat_r; lra. }
specialize (F G). destruct F as [F1 [F2 [F3 [[f [F4 F5]] F6]]]].
assert (Pk := merges_pos share t).
split; [exact F1|]. split; [lra|]. split; [lra|]. split; [|exact F6].
exists f. split; [|exact F5]. unfold Gradient.near in *. lra.
Qed.

(* BOUND after nrm_merge: dx of BATCH | 32.6 | dx_merged |
   16 merges, 2^22 additions, accepted, |mean| <= 2^25 deviations *)
Theorem dx_merged : forall value z dy share planes (shares : tree share) gamma g s lift k,
  (forall k, format Float (z k)) -> (forall c, Gradient.usual (planes c)) ->
  Gradient.plain gamma g -> 0 < lift ->
  0 < Gradient.m_batch value share (fun c => total Double (planes c)) shares ->
  Gradient.in_double shares -> stands_merged s ->
  Rabs (Gradient.dx_batch value share z dy (fun c => total Double (planes c)) shares s g lift k -
        Gradient.exact_dx s (Gradient.t_batch value dy gamma k)
          (Gradient.average_batch value share (fun c => total Double (planes c)) shares
             (Gradient.t_batch value dy gamma))
          (Gradient.average_batch value share (fun c => total Double (planes c)) shares
             (Gradient.tx_batch value z dy s gamma)) (z k))
  <= 326 / 10 * e *
    Gradient.scale_batch value share z dy (fun c => total Double (planes c)) shares s gamma k.
Proof.
intros value z dy share planes shares gamma g s lift k Hz HP Hg Hl Hm HD Hs.
apply Gradient.dx_batch_error with (Kg := 1) (em := em) (er := er) (G := Gradient.list_growth)
  (H := 1 + u / 127); try assumption; try lra.
- now apply Gradient.plain_near.
- now apply stands_merged_fair.
- apply Gradient.list_growth_small.
- intros c. apply Gradient.usual_growth, HP.
- now apply Gradient.double_tree_growth.
- unfold Gradient.dx_constant, Gradient.q_tail, Gradient.tail, Gradient.shift,
    Gradient.list_growth, Constants.block_height. simpl pow. lra.
Qed.

(* BOUND after nrm_merge: dgamma of BATCH | 13.6 | dgamma_merged |
   the same *)
Theorem dgamma_merged : forall value z dy share planes (shares : tree share) s,
  (forall k, format Float (z k)) -> (forall c, Gradient.usual (planes c)) ->
  Gradient.in_double shares -> stands_merged s ->
  let x := Gradient.dgamma_sum value share z dy (fun c => total Double (planes c)) shares (fun _ =>
    s) in
  let exact := Gradient.exact_dgamma value share z dy (fun c => total Double (planes c)) shares (fun
    _ => s) in
  let scale := Gradient.dgamma_scale value share z dy (fun c => total Double (planes c)) shares (fun
    _ => s) in
  Rabs (Gradient.store x - exact) <= 136 / 10 * e * scale.
Proof.
intros value z dy share planes shares s Hz HP HD Hs.
apply Gradient.dgamma_error with (em := em) (er := er) (G := Gradient.list_growth)
  (H := 1 + u / 127); try assumption; try lra.
- apply Gradient.list_growth_small.
- intros c. now apply stands_merged_fair.
- intros c. apply Gradient.usual_growth, HP.
- now apply Gradient.double_tree_growth.
- unfold Gradient.list_growth, Constants.block_height. simpl pow. lra.
- unfold Gradient.shift, Gradient.list_growth, Constants.block_height. simpl pow. lra.
Qed.

(* y of nrm_apply, from moments that 16 merges at most gave. *)
(* BOUND after nrm_merge: y of BATCH | 10.6 | y_merged |
   the same *)
Theorem y_merged : forall z s g b, format Float z -> Gradient.arith s = Float -> stands_merged s ->
  Rabs (Apply.y_channels z (Gradient.mean s) (Gradient.rstd s) g b - (Gradient.xhat s z * g + b))
  <= 106 / 10 * e * (Rabs g * (1 + Rabs (Gradient.xhat s z)) + Rabs b).
Proof.
intros z s g b Hz HA Hs. unfold Gradient.xhat.
destruct (stands_merged_fair s Hs) as [HR [_ [Hm [[f [Hf Ef]] [Hx _]]]]]. specialize (Hx HA).
assert (Er : Gradient.rstd s = Gradient.exact_rstd s * (1 + (f - 1))) by (rewrite Ef; ring).
assert (Br : Rabs (f - 1) <= 8208 / 512 * u) by (unfold Gradient.near in Hf; lra).
assert (Bm : Rabs ((Gradient.exact_mean s - Gradient.mean s) * Gradient.exact_rstd s)
  <= 5586 / 512 * u) by lra.
destruct (Apply.channels_shape z (Gradient.exact_mean s) (Gradient.mean s) (Gradient.exact_rstd s)
  (Gradient.rstd s) (f - 1) Hz HR Er ltac:(lra) g 0 b)
  as [A [l [d2 [d3 [d4 [d6 [BA [Bl [B2 [B3 [B4 [B6 E]]]]]]]]]]]].
replace (g * (1 + 0)) with g in E by ring. rewrite E.
apply Apply.combine; [lra | | | lra]; clear E Er Hm Hf;
  generalize dependent ((Gradient.exact_mean s - Gradient.mean s) * Gradient.exact_rstd s);
  intros c Bm; generalize dependent (f - 1); intros rho Br;
  replace A with (1 + (A - 1)) by ring; revert BA; generalize (A - 1); intros a BA;
  apply Rle_trans with (10854 / 512 * u); try lra; clear - Br Bm BA Bl B2 B3 B4 B6; gappa.
Qed.
