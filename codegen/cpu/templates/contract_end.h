/* contract_end.h: the end of a contract template: forgets all names of its specialisation, but CONTRACT_LANES and CONTRACT_LINKAGE. Included
 * again by each, so it has no guard. */
#undef PASTE_
#undef PASTE
#undef FN
#undef PANEL
#undef PIXELS
#undef B_SLAB
#undef PARTIALS_HELD
#undef CONTRACT_NAME
#undef CONTRACT_VECTORS
#undef CONTRACT_BLOCK
#undef CONTRACT_WIDTH
#undef CONTRACT_ROWS
#undef CONTRACT_PIXEL_STRIDE
#undef CONTRACT_PROLOGUE
#undef CONTRACT_SIDE_PROLOGUE
#undef CONTRACT_B_PROLOGUE
#undef CONTRACT_EPILOGUE
#undef CONTRACT_PREFETCH
#undef CONTRACT_PARTIALS
#undef CONTRACT_PARTIAL_KINDS
