import { HttpResponse, type HttpResponseInit } from "@azure/functions";

/**
 * An answer whose whole body is one text, given to the host as its bytes. Of any other body the library makes a web
 * stream only to read it again: that would be half the CPU of an invocation. It asks an answer for `arrayBuffer` alone
 * as long as the app does not set it up to stream.
 */
export class TextResponse extends HttpResponse {
  override readonly arrayBuffer: () => Promise<ArrayBuffer>;

  constructor({ body, ...init }: HttpResponseInit & { readonly body: string }) {
    super(init);
    this.arrayBuffer = async () => encoder.encode(body).buffer;
  }
}

const encoder = new TextEncoder();
