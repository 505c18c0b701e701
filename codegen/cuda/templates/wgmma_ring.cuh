/* wgmma_ring.cuh: the stages of shared memory that the templates with TMA and wgmma go round. Included again by each, so it has no guard.
 *
 * In, as a macro: STAGES. Each stage has mbarriers whose phases end once a round, so a ring knows which parity to wait for: full[stage] and what else is
 * said of a stage that was filled has ended with `parity`, empty[stage] with the other, of the round before. */

/* The stage of the next step; parity: of how often all were gone round. */
typedef struct FN(ring) {
  int stage;
  u32 parity;
} FN(ring);

DEV void FN(advance)(FN(ring) *ring) {
  if (++ring->stage < STAGES) return;
  ring->stage = 0;
  ring->parity ^= 1;
}
