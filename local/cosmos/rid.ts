/**
 * Resource ids in Azure's form: 4 bytes of a database, 4 of a container, 8 of an item, in base64 without slashes. The
 * SDK keeps session tokens only of containers whose id has 8 bytes. The .NET SDK takes 8 bytes for a container's id
 * only with the highest bit of the fifth set.
 */
const CONTAINER_BIT = 0x80000000;

export function databaseRid(number: number): string {
  return encoded(u32(number));
}

export function containerRid(database: number, container: number): string {
  return encoded(Buffer.concat([u32(database), u32(container | CONTAINER_BIT)]));
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** An item's id within its container: the same as long as it has the same key and id. */
export function itemRid(containerRid: string, key: string, id: string): string {
  const bytes = Buffer.alloc(16);
  bytes.write(containerRid.replaceAll("-", "/"), "base64");
  let [a, b] = [0x811c9dc5, 0x9747b28c];
  const text = key + id;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15);
  }
  bytes.writeUInt32BE(a >>> 0, 8);
  bytes.writeUInt32BE(b >>> 0, 12);
  return encoded(bytes);
}

const encoded = (bytes: Buffer) => bytes.toString("base64").replaceAll("/", "-");
