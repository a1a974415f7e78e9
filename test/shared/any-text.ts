import fc from "fast-check";

/** Code points of every plane; fast-check's own unit for that takes seconds to make. */
const unit = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point));

/** Any text that is one in UTF-8. */
export const anyText = fc.string({ unit });
