/** What a link that receives from us does when the peer speaks or goes. */
export interface OutgoingLink {
  onFlow(): void;
  /** `detached`: the peer closed the link, rather than vanished. */
  close(detached: boolean): void;
}
