(* The bounds of the manual (A11), each in one theorem: from the list's length and the acceptance
   test to the result. A line BOUND names what it bounds, the constant in units of e = 2^-23 (of
   2^-52 for F64), the theorem, and what it assumes. *)
From Coq Require Import Reals Psatz List.
Require Import Constants Float Sum Statistics Apply.
Open Scope R_scope.

Definition e := 2 * u.
Definition y_bound c g xhat b := c * e * (Rabs g * (1 + Rabs xhat) + Rabs b).

(* ---- A list of float values, its totals in double -------------------------------------------- *)

(* n additions in double lie above one another at most: planes, runs of a plane, blocks of a run. *)
Definition float_list (planes : list (list (list (tree R)))) (n : nat) :=
  every_block (within Float block_height) planes /\ additions_within n planes /\
  INR n <= 4194304.

Definition growth_of (n : nat) := (1 + u) ^ block_height * (1 + w) ^ n.

Lemma growth_of_list : forall n, INR n <= 4194304 -> 1 <= growth_of n <= 1 + 7009 / 1000 * u.
Proof.
intros n H. unfold growth_of, block_height. generalize (double_growth n H). intros G.
assert (1 <= (1 + w) ^ n) by (apply pow_R1_Rle; lra).
assert (A : 1 <= (1 + u) ^ 7 <= 1 + 70001 / 10000 * u) by (simpl; lra).
split.
- generalize dependent ((1 + w) ^ n). intros x G X. clear - A X. nra.
- apply Rle_trans with ((1 + 70001 / 10000 * u) * (1 + u / 127)); [|lra].
  apply Rmult_le_compat; lra.
Qed.

Lemma summed_list : forall planes n f, float_list planes n ->
  summed (total Double planes) (growth_of n) f (comp f (total Double planes)).
Proof.
intros planes n f [HB [HN _]] x a k Hk HE.
exact (total_error R f x a k Float Double block_height n planes Hk HE HB HN).
Qed.

(* Blocks of 8 are lower than those of 128. *)
Lemma few_is_lower : forall (b : tree R), within Float few_height b -> within Float block_height b.
Proof.
assert (Up : forall h (b : tree R), within Float h b -> within Float (S h) b).
{ induction h as [| h IH]; intros [| v | t l r] H; simpl in *; try easy.
  destruct H as [-> [Hl Hr]]. split; [reflexivity|]. split.
  - specialize (IH l Hl). exact IH.
  - specialize (IH r Hr). exact IH. }
intros b H. unfold few_height, block_height in *. do 4 apply Up. exact H.
Qed.

(* The list of `count` planes of `len` values, and its length in additions. *)
Definition cut (len count : nat) (planes : list (list (list (tree R)))) :=
  every_block (within Float block_height) planes /\ (length planes <= count)%nat /\
  Forall (fun plane => (length plane <= (len + run_values - 1) / run_values)%nat /\
    Forall (fun run => (length run <= run_blocks)%nat) plane) planes.
Definition additions (len count : nat) : nat :=
  run_blocks + (len + run_values - 1) / run_values + count.

Lemma float_list_cut : forall len count planes, cut len count planes ->
  INR (additions len count) <= 4194304 -> float_list planes (additions len count).
Proof.
intros len count planes [HB [HC HR]] H. split; [exact HB|]. split; [|exact H].
exists run_blocks, ((len + run_values - 1) / run_values)%nat, count.
split; [unfold additions; auto|]. split; assumption.
Qed.

(* ---- y from statistics within these ---------------------------------------------------------- *)

Section Y_of.
(* x is the mean before it is rounded to a double. *)
Variables M Rs x Rc z b : R.
Hypothesis PR : 0 < Rs.
Hypothesis Hrstd : exists rho, Rabs rho <= er /\ Rc = Rs * (1 + rho).
Hypothesis Hmean : Rabs (M - x) * Rs <= 981 / 100 * u.
Hypothesis Fz : format Float z.
Let mc := rnd Double x.
Let X := (z - M) * Rs.

Lemma mean_error : forall limit, Rabs mc * Rs <= limit ->
  Rabs ((M - mc) * Rs) <= 981 / 100 * u + 1001 / 1000 * w * limit.
Proof.
intros limit H. unfold mc in *. destruct (rnd_ex Double x) as [d [Bd Ed]]. rewrite Ed in *.
simpl unit in Bd. rewrite Rabs_mult, (Rabs_right Rs) by lra.
assert (Bx : Rabs x * Rs <= 1001 / 1000 * limit).
{ rewrite Rabs_mult in H. apply abs_le in Bd. rewrite (Rabs_right (1 + d)) in H by lra.
  assert (0 <= Rabs x * Rs) by (apply Rmult_le_pos; [apply Rabs_pos | lra]).
  assert (Rabs x * Rs * (1 - w) <= Rabs x * Rs * (1 + d)) by (apply Rmult_le_compat_l; lra).
  lra. }
replace (M - x * (1 + d)) with ((M - x) - x * d) by ring.
apply Rle_trans with ((Rabs (M - x) + Rabs (x * d)) * Rs).
- apply Rmult_le_compat_r; [lra|]. unfold Rminus at 1. eapply Rle_trans; [apply Rabs_triang|].
  rewrite Rabs_Ropp. lra.
- rewrite Rmult_plus_distr_r. rewrite (Rabs_mult x d).
  assert (Rabs x * Rs * Rabs d <= 1001 / 1000 * limit * w)
    by (apply Rmult_le_compat; try assumption; [|apply Rabs_pos];
        apply Rmult_le_pos; [apply Rabs_pos | lra]).
  lra.
Qed.

Lemma rstd_within : forall l, Rabs (rnd Double (mc * Rc)) <= l ->
  Rabs mc * Rs <= (1 + 15 * u) * l.
Proof.
intros l H. destruct Hrstd as [rho [Hr Er]]. rewrite Er in H.
destruct (rnd_ex Double (mc * (Rs * (1 + rho)))) as [d [Bd Ed]]. rewrite Ed in H.
unfold er in Hr. simpl unit in Bd. apply abs_le in Bd, Hr.
rewrite !Rabs_mult, (Rabs_right Rs), (Rabs_right (1 + rho)), (Rabs_right (1 + d)) in H by lra.
set (p := Rabs mc * Rs) in *.
assert (0 <= p) by (apply Rmult_le_pos; [apply Rabs_pos | lra]).
assert (p * ((1 + rho) * (1 + d)) <= l) by (unfold p; lra).
assert (1 - 14 * u <= (1 + rho) * (1 + d)) by (clear - Bd Hr; nra).
assert (p * (1 - 14 * u) <= p * ((1 + rho) * (1 + d))) by (apply Rmult_le_compat_l; lra).
lra.
Qed.

(* In float where |mean| * rstd is within the limit. *)
Section In_float.
Hypothesis Hcom : Rabs (rnd Double (mc * Rc)) <= mean_limit.

Lemma comfortable : Rabs mc * Rs <= 33588000.
Proof. generalize (rstd_within _ Hcom). unfold mean_limit. lra. Qed.

Lemma comfortable_mean : Rabs ((M - mc) * Rs) <= em.
Proof. generalize (mean_error _ comfortable). unfold em. lra. Qed.

Ltac close lemma :=
  destruct Hrstd as [rho [Hr Er]]; unfold y_bound;
  eapply Rle_trans;
  [ apply (lemma z M mc Rs Rc rho); try assumption;
    solve [exact comfortable | exact comfortable_mean]
  | apply Rmult_le_compat_r; [|unfold e; lra] ];
  generalize (Rabs_pos X) (Rabs_pos b); intros; unfold X in *;
  match goal with |- 0 <= Rabs ?g * _ + _ => generalize (Rabs_pos g); intros; nra end.

Lemma layer : forall g,
  Rabs (y_rows z mc Rc g b - (X * g + b)) <= y_bound (39 / 4) g X b.
Proof. intros g. close rows. Qed.
Lemma layer_offset : forall s,
  Rabs (y_rows z mc Rc (with_offset s) b - (X * s + b)) <= y_bound (41 / 4) s X b.
Proof. intros s. close rows_offset. Qed.
Lemma batch : forall g,
  Rabs (y_channels z mc Rc g b - (X * g + b)) <= y_bound (37 / 4) g X b.
Proof. intros g. close channels. Qed.
Lemma batch_offset : forall s,
  Rabs (y_channels z mc Rc (with_offset s) b - (X * s + b)) <= y_bound (39 / 4) s X b.
Proof. intros s. close channels_offset. Qed.
End In_float.

(* In double elsewhere; a double holds the mean while this limit holds. *)
Lemma in_double : Rabs mc * Rs <= 2 ^ 32 -> forall s,
  Rabs (y_double z mc Rc (rnd Double s) b - (X * s + b)) <= y_bound (39 / 4) s X b.
Proof.
intros H s. assert (HM : Rabs ((M - mc) * Rs) <= 18 / 16777216)
  by (generalize (mean_error _ H); lra).
destruct Hrstd as [rho [Hr Er]]. destruct (rnd_ex Double s) as [o [Bo Eo]]. rewrite Eo.
simpl unit in Bo. unfold y_bound.
eapply Rle_trans; [apply (double z M mc Rs Rc rho Er s o b HM Hr Bo)|].
apply Rmult_le_compat_r; [|unfold e; lra].
generalize (Rabs_pos X) (Rabs_pos b) (Rabs_pos s). fold X. intros. nra.
Qed.
End Y_of.

(* ---- Statistics of a list: accepted, of the first or the second pilot ------------------------ *)

Section Of_list.
Variables (planes : list (list (list (tree R)))) (n : nat) (K eps : R).
Let L := total Double planes.
Let m := size L.
Let S1 := comp (fun v => rnd Float (v - K)) L.
Let S2 := comp (fun v => rnd Float (rnd Float (v - K) * rnd Float (v - K))) L.
Definition mean_of := f_mean S1 m K.
Definition rstd_of := f_rstd S1 S2 m eps.
Definition accepted := least_variance <= f_var_eps S1 S2 m eps /\ f_accepted S1 S2 m eps.
Definition xhat z := (z - x_mean L) * (1 / sqrt (x_var L + eps)).

Hypothesis HL : float_list planes n.
Hypothesis Hm : 0 < m.
Hypothesis Heps : 0 <= eps.
Hypothesis Hacc : accepted.

Lemma var_eps_pos : 0 < f_var_eps S1 S2 m eps.
Proof.
destruct Hacc as [H _]. unfold least_variance in H.
assert (0 < / 2 ^ 100) by (apply Rinv_0_lt_compat, pow_lt; lra). lra.
Qed.

Lemma g_small : 1 <= growth_of n <= 1 + 14 * u.
Proof. destruct HL as [_ [_ H]]. generalize (growth_of_list n H). lra. Qed.

Let facts := rstd Float L K eps (growth_of n) S1 S2 Hm Heps g_small (summed_list _ _ _ HL)
  (summed_list _ _ _ HL) var_eps_pos (proj2 Hacc).

Lemma rstd_pos : 0 < 1 / sqrt (x_var L + eps).
Proof. destruct facts as [P _]. apply Rdiv_lt_0_compat; [lra | now apply sqrt_lt_R0]. Qed.

(* BOUND rstd, relative | 6.7 | rstd_bound | 2^22 additions, accepted *)
Theorem rstd_bound : exists rho, Rabs rho <= er /\ er <= 67 / 10 * e /\
  rstd_of = 1 / sqrt (x_var L + eps) * (1 + rho).
Proof.
destruct facts as [P [rho [Hr Er]]]. exists rho. split; [|split; [unfold er, e; lra | exact Er]].
eapply Rle_trans; [exact Hr|].
generalize (growth_of_list n (proj2 (proj2 HL))).
unfold rstd_limit, variance_error, er. simpl unit. lra.
Qed.

(* BOUND mean, over the deviation | 5 | mean_bound |
   2^22 additions, accepted; and half a unit of the double *)
Theorem mean_bound :
  Rabs (x_mean L - (K + f_dm S1 m)) * (1 / sqrt (x_var L + eps)) <= 981 / 100 * u /\
  981 / 100 * u <= 5 * e.
Proof.
split; [|unfold e; lra]. destruct facts as [P _].
generalize (mean Float L K eps (growth_of n) S1 S2 Hm Heps g_small (summed_list _ _ _ HL)
  (summed_list _ _ _ HL) var_eps_pos (proj2 Hacc)). fold m.
generalize (sqrt_lt_R0 _ P). set (q := sqrt (x_var L + eps)).
intros Pq H. rewrite Rabs_minus_sym.
apply Rmult_le_reg_r with q; [exact Pq|].
unfold Rdiv at 1. rewrite Rmult_assoc, Rmult_1_l, Rinv_l by lra.
rewrite Rmult_1_r. eapply Rle_trans; [exact H|]. apply Rmult_le_compat_r; [lra|].
generalize (growth_of_list n (proj2 (proj2 HL))).
unfold mean_limit_of_list. simpl unit. lra.
Qed.

Lemma rstd_within_er : exists rho, Rabs rho <= er /\
  rstd_of = 1 / sqrt (x_var L + eps) * (1 + rho).
Proof. destruct rstd_bound as [rho [H [_ E]]]. now exists rho. Qed.

Variables z b : R.
Hypothesis Fz : format Float z.

Section Comfortable.
Hypothesis Hcom : Rabs (rnd Double (mean_of * rstd_of)) <= mean_limit.

(* BOUND y of LAYER | 9.75 | y_layer | 2^22 additions, accepted, |mean| * rstd <= 2^25 *)
Theorem y_layer : forall g,
  Rabs (y_rows z mean_of rstd_of g b - (xhat z * g + b)) <= y_bound (39 / 4) g (xhat z) b.
Proof. exact (layer _ _ _ _ z b rstd_pos rstd_within_er (proj1 mean_bound) Fz Hcom). Qed.

(* BOUND y of LAYER, with gamma_offset | 10.25 | y_layer_offset | the same *)
Theorem y_layer_offset : forall s,
  Rabs (y_rows z mean_of rstd_of (with_offset s) b - (xhat z * s + b)) <=
  y_bound (41 / 4) s (xhat z) b.
Proof. exact (layer_offset _ _ _ _ z b rstd_pos rstd_within_er (proj1 mean_bound) Fz Hcom). Qed.

(* BOUND y of BATCH, INSTANCE, GROUP | 9.25 | y_batch | the same *)
Theorem y_batch : forall g,
  Rabs (y_channels z mean_of rstd_of g b - (xhat z * g + b)) <= y_bound (37 / 4) g (xhat z) b.
Proof. exact (batch _ _ _ _ z b rstd_pos rstd_within_er (proj1 mean_bound) Fz Hcom). Qed.

(* BOUND y of BATCH, INSTANCE, GROUP, with gamma_offset | 9.75 | y_batch_offset | the same *)
Theorem y_batch_offset : forall s,
  Rabs (y_channels z mean_of rstd_of (with_offset s) b - (xhat z * s + b)) <=
  y_bound (39 / 4) s (xhat z) b.
Proof. exact (batch_offset _ _ _ _ z b rstd_pos rstd_within_er (proj1 mean_bound) Fz Hcom). Qed.

End Comfortable.

(* BOUND y in double | 9.75 | y_wide | 2^22 additions, accepted, |mean| * rstd <= 2^32 *)
Theorem y_wide : Rabs mean_of * (1 / sqrt (x_var L + eps)) <= 2 ^ 32 -> forall s,
  Rabs (y_double z mean_of rstd_of (rnd Double s) b - (xhat z * s + b)) <=
  y_bound (39 / 4) s (xhat z) b.
Proof.
intros H s.
exact (in_double _ _ _ _ z b rstd_pos rstd_within_er (proj1 mean_bound) H s).
Qed.

End Of_list.

(* ---- The last resort: sums in double around one of the values -------------------------------- *)

Definition double_list (planes : list (list (list (tree R)))) (n : nat) :=
  every_block (within Double block_height) planes /\ additions_within n planes /\
  size (total Double planes) * (3 * INR n + 28) <= 2 ^ 32.

Section Of_last.
Variables (planes : list (list (list (tree R)))) (n : nat) (K eps : R).
Let L := total Double planes.
Let m := size L.
Let S1 := comp (fun v => rnd Double (v - K)) L.
Let S2 := comp (fun v => rnd Double (rnd Double (v - K) * rnd Double (v - K))) L.
Definition last_mean_of := f_mean S1 m K.
Definition last_rstd_of := f_rstd S1 S2 m eps.

Hypothesis HL : double_list planes n.
Hypothesis Hm : 1 <= m.
Hypothesis Heps : 0 <= eps.
Hypothesis HK : among L K.
Hypothesis HT : 0 < f_var_eps S1 S2 m eps.

Let g := (1 + w) ^ block_height * (1 + w) ^ n.

Lemma last_growth : 1 <= g <= 1 + 14 * u /\
  m * ((1 + w) * g - 1 + 2 * (g - 1) + 5 * w) <= 801 / 100 * u.
Proof.
destruct HL as [_ [_ H]]. fold L m in H. unfold g. rewrite <- pow_add.
set (k := (block_height + n)%nat).
assert (Ek : INR k = 7 + INR n) by (unfold k, block_height; rewrite plus_INR; simpl; lra).
generalize (pos_INR n). intros Pn.
assert (Hn : 3 * INR n + 28 <= 2 ^ 32)
  by (eapply Rle_trans; [|exact H]; rewrite <- (Rmult_1_l (3 * INR n + 28)) at 1;
      apply Rmult_le_compat_r; lra).
assert (G : (1 + w) ^ k <= 1 + INR k * w + (INR k * w) ^ 2) by (apply pow_linear; lra).
assert (1 <= (1 + w) ^ k) by (apply pow_R1_Rle; lra).
assert (S : 0 <= INR k * w <= 1 / 1000000) by lra.
assert (Q : (INR k * w) ^ 2 <= 1 / 1000000 * (INR k * w)) by (clear - S; nra).
split; [lra|].
apply Rle_trans with (m * ((3 * INR n + 28) * (100001 / 100000 * w))).
- apply Rmult_le_compat_l; lra.
- replace (m * ((3 * INR n + 28) * (100001 / 100000 * w)))
    with (m * (3 * INR n + 28) * (100001 / 100000 * w)) by ring.
  apply Rle_trans with (2 ^ 32 * (100001 / 100000 * w)); [apply Rmult_le_compat_r; lra | lra].
Qed.

Lemma last_summed : forall f, summed L g f (comp f L).
Proof.
intros f x a k Hk HE. destruct HL as [HB [HN _]].
exact (total_error R f x a k Double Double block_height n planes Hk HE HB HN).
Qed.

Lemma m_pos : 0 < m.
Proof. lra. Qed.

Let close := near L K m_pos HK Hm.
Let facts := last_rstd Double L K eps g S1 S2 m_pos Heps (proj1 last_growth) (last_summed _)
  (last_summed _) HT close (proj2 last_growth).

Lemma last_pos : 0 < 1 / sqrt (x_var L + eps).
Proof. destruct facts as [P _]. apply Rdiv_lt_0_compat; [lra | now apply sqrt_lt_R0]. Qed.

Lemma last_er : exists rho, Rabs rho <= er /\
  last_rstd_of = 1 / sqrt (x_var L + eps) * (1 + rho).
Proof.
destruct facts as [P [rho [Hr Er]]]. exists rho. split; [unfold er; lra | exact Er].
Qed.

Lemma last_em : Rabs (x_mean L - (K + f_dm S1 m)) * (1 / sqrt (x_var L + eps)) <= 981 / 100 * u.
Proof.
destruct facts as [P _].
generalize (last_mean Double L K eps g S1 S2 m_pos Heps (proj1 last_growth) (last_summed _)
  (last_summed _) HT Hm close (proj2 last_growth)). fold m.
generalize (sqrt_lt_R0 _ P). set (q := sqrt (x_var L + eps)).
intros Pq H. rewrite Rabs_minus_sym.
apply Rmult_le_reg_r with q; [exact Pq|].
unfold Rdiv at 1. rewrite Rmult_assoc, Rmult_1_l, Rinv_l by lra.
rewrite Rmult_1_r. eapply Rle_trans; [exact H|]. apply Rmult_le_compat_r; lra.
Qed.

Variables z b : R.
Hypothesis Fz : format Float z.

(* BOUND y, statistics of the last resort | 10.25 | y_last |
   m * (3 * additions + 28) <= 2^32, |mean| * rstd <= 2^25 *)
Theorem y_last : Rabs (rnd Double (last_mean_of * last_rstd_of)) <= mean_limit -> forall s,
  Rabs (y_rows z last_mean_of last_rstd_of (with_offset s) b - (xhat planes eps z * s + b)) <=
  y_bound (41 / 4) s (xhat planes eps z) b /\
  Rabs (y_channels z last_mean_of last_rstd_of (with_offset s) b - (xhat planes eps z * s + b)) <=
  y_bound (39 / 4) s (xhat planes eps z) b.
Proof.
intros Hcom s. split.
- exact (layer_offset _ _ _ _ z b last_pos last_er last_em Fz Hcom s).
- exact (batch_offset _ _ _ _ z b last_pos last_er last_em Fz Hcom s).
Qed.

(* BOUND y in double, statistics of the last resort | 9.75 | y_last_wide |
   m * (3 * additions + 28) <= 2^32, |mean| * rstd <= 2^32 *)
Theorem y_last_wide : Rabs last_mean_of * (1 / sqrt (x_var L + eps)) <= 2 ^ 32 -> forall s,
  Rabs (y_double z last_mean_of last_rstd_of (rnd Double s) b - (xhat planes eps z * s + b)) <=
  y_bound (39 / 4) s (xhat planes eps z) b.
Proof. intros H s. exact (in_double _ _ _ _ z b last_pos last_er last_em H s). Qed.

End Of_last.

(* ---- RMS ------------------------------------------------------------------------------------- *)

Section Rms.
Variables (planes : list (list (list (tree R)))) (n : nat) (eps : R).
Let L := total Double planes.
Let m := size L.
Let S2 := comp (fun v => rnd Float (v * v)) L.
Definition rms_of := f_rms_rstd S2 m eps.
Definition rms_accepted := least_variance <= f_rms_var_eps S2 m eps.
Definition exact_rms := 1 / sqrt (x_square L + eps).
Hypothesis HL : float_list planes n.
Hypothesis Hm : 0 < m.
Hypothesis Heps : 0 <= eps.
Hypothesis Hacc : rms_accepted.

Lemma rms_bound : exists rho, Rabs rho <= er_rms /\ rms_of = exact_rms * (1 + rho).
Proof.
assert (P : 0 < f_rms_var_eps S2 m eps).
{ unfold rms_accepted, least_variance in Hacc.
  assert (0 < / 2 ^ 100) by (apply Rinv_0_lt_compat, pow_lt; lra). lra. }
assert (G : 1 <= growth_of n <= 1 + 701 / 100 * u).
{ destruct HL as [_ [_ H]]. generalize (growth_of_list n H). lra. }
destruct (rms_rstd L eps (growth_of n) S2 Hm Heps G (summed_list _ _ _ HL) P)
  as [_ [rho [Hr Er]]].
exists rho. split; [unfold er_rms; lra | exact Er].
Qed.

Variables z b : R.

Ltac close lemma :=
  destruct rms_bound as [rho [Hr Er]];
  eapply Rle_trans;
  [ apply (lemma z exact_rms rms_of rho); assumption
  | apply Rmult_le_compat_r; [|unfold e; lra] ];
  generalize (Rabs_pos (z * exact_rms)) (Rabs_pos b); intros;
  match goal with |- 0 <= Rabs ?g * _ + _ => generalize (Rabs_pos g); intros; nra end.

(* BOUND y of RMS | 4.1 | y_of_rms |
   2^22 additions, var + eps >= 2^-100 *)
Theorem y_of_rms : forall g,
  Rabs (y_rms z rms_of g b - (z * exact_rms * g + b)) <= y_bound (41 / 10) g (z * exact_rms) b.
Proof. intros g. unfold y_bound. close rms. Qed.

(* BOUND y of RMS, with gamma_offset | 4.6 | y_of_rms_offset |
   2^22 additions, var + eps >= 2^-100 *)
Theorem y_of_rms_offset : forall s,
  Rabs (y_rms z rms_of (with_offset s) b - (z * exact_rms * s + b)) <=
  y_bound (46 / 10) s (z * exact_rms) b.
Proof. intros s. unfold y_bound. close rms_offset. Qed.

End Rms.

(* ---- Statistics that are given: nrm_infer, nrm_apply ----------------------------------------- *)

Section Given.
Variables mean var eps z b : R.
Definition given_var_eps := rnd Double (var + eps).
Definition given_rstd := rnd Double (1 / rnd Double (sqrt given_var_eps)).
Definition given_exact := 1 / sqrt (var + eps).
Hypothesis Hvar : 0 < var + eps.
Let x := (z - mean) * given_exact.

Lemma given_bound : 0 < given_exact /\ exists rho, Rabs rho <= 1 / 2251799813685248 /\
  given_rstd = given_exact * (1 + rho).
Proof.
unfold given_rstd, given_var_eps. destruct (rnd_ex Double (var + eps)) as [d [Bd Ed]].
rewrite Ed. simpl unit in Bd. apply abs_le in Bd. set (S := var + eps) in *.
assert (PT : 0 < S * (1 + d)) by (apply Rmult_lt_0_compat; lra).
assert (H : Rabs (S * (1 + d) - S) <= 1001 / 1000 * w * (S * (1 + d))).
{ replace (S * (1 + d) - S) with (S * d) by ring.
  assert (S * - w <= S * d <= S * w) by (split; apply Rmult_le_compat_l; lra).
  apply Rabs_le. split; lra. }
assert (C : 0 <= 1001 / 1000 * w <= 1 / 100000) by lra.
destruct (rstd_error _ _ S C PT H) as [PS [rho [Hr Er]]].
split; [apply Rdiv_lt_0_compat; [lra | now apply sqrt_lt_R0]|].
exists rho. split; [lra | exact Er].
Qed.

(* BOUND y in double, of given statistics | 0.6 | y_given_wide | var + eps > 0 *)
Theorem y_given_wide : forall s,
  Rabs (y_double z mean given_rstd (rnd Double s) b - (x * s + b)) <= y_bound (6 / 10) s x b.
Proof.
intros s. destruct given_bound as [P [rho [Hr Er]]].
destruct (rnd_ex Double s) as [o [Bo Eo]]. rewrite Eo. simpl unit in Bo. unfold y_bound.
assert (Hr' : Rabs rho <= 1 / 268435456) by lra.
eapply Rle_trans;
  [apply (double_near z mean mean given_exact given_rstd rho Er s o b eq_refl Hr' Bo)|].
apply Rmult_le_compat_r; [|unfold e; lra].
generalize (Rabs_pos x) (Rabs_pos b) (Rabs_pos s). fold x. intros. nra.
Qed.

Hypothesis Hcom : Rabs (rnd Double (mean * given_rstd)) <= mean_limit.

Lemma given_comfortable : Rabs mean * given_exact <= 33588000.
Proof.
destruct given_bound as [P [rho [Hr Er]]]. rewrite Er in Hcom.
destruct (rnd_ex Double (mean * (given_exact * (1 + rho)))) as [d [Bd Ed]]. rewrite Ed in Hcom.
unfold mean_limit in Hcom. simpl unit in Bd. apply abs_le in Bd, Hr.
rewrite !Rabs_mult, (Rabs_right given_exact), (Rabs_right (1 + rho)), (Rabs_right (1 + d)) in Hcom
  by lra.
set (p := Rabs mean * given_exact) in *.
assert (0 <= p) by (apply Rmult_le_pos; [apply Rabs_pos | lra]).
assert (p * ((1 + rho) * (1 + d)) <= 33554432) by (unfold p; lra).
assert (1 - 14 * u <= (1 + rho) * (1 + d)) by (clear - Bd Hr; nra).
assert (p * (1 - 14 * u) <= p * ((1 + rho) * (1 + d))) by (apply Rmult_le_compat_l; lra).
lra.
Qed.

Hypothesis Fz : format Float z.

Ltac close lemma :=
  destruct given_bound as [P [rho [Hr Er]]];
  eapply Rle_trans;
  [ apply (lemma z mean mean given_exact given_rstd rho); try assumption;
    solve [exact given_comfortable | reflexivity]
  | apply Rmult_le_compat_r; [|unfold e; lra] ];
  generalize (Rabs_pos x) (Rabs_pos b); intros; unfold x in *;
  match goal with |- 0 <= Rabs ?g * _ + _ => generalize (Rabs_pos g); intros; nra end.

(* BOUND y of given statistics | 2.6 | y_given |
   |mean| * rstd <= 2^25 *)
Theorem y_given : forall g,
  Rabs (y_channels z mean given_rstd g b - (x * g + b)) <= y_bound (26 / 10) g x b.
Proof. intros g. unfold y_bound. close given. Qed.

(* BOUND y of given statistics, with gamma_offset | 3.1 | y_given_offset |
   |mean| * rstd <= 2^25 *)
Theorem y_given_offset : forall s,
  Rabs (y_channels z mean given_rstd (with_offset s) b - (x * s + b)) <= y_bound (31 / 10) s x b.
Proof. intros s. unfold y_bound. close given_offset. Qed.

End Given.
