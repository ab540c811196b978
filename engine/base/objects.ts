// What the engine asks of an object storage. S3's is platform/s3-objects.ts. Keys are relative to the place that was opened; each object is
// written and read as a whole or by a range, and durable once the server has answered.

/** Why a call failed, in words the same for every server. */
export type ObjectsFault =
  | 'unreachable' // no connection, an answer that breaks off, or nothing for too long
  | 'busy' // the server asks for patience, or has an error of its own
  | 'denied' // wrong credentials, or these may not do that
  | 'clockSkew' // the server refuses because the clocks differ
  | 'noBucket'
  | 'noSpace' // a quota, or the server's disks are full
  | 'exists' // what was to be made only where nothing is, is there
  | 'other'

export class ObjectsError extends Error {
  readonly fault: ObjectsFault
  readonly operation: string
  readonly key: string

  constructor(fault: ObjectsFault, operation: string, key: string, detail: string, options?: { readonly cause?: unknown }) {
    super(`${operation} ${key}: ${detail}`, options)
    this.name = 'ObjectsError'
    this.fault = fault
    this.operation = operation
    this.key = key
  }
}

export interface ObjectItem {
  readonly key: string
  readonly sizeBytes: number
}

export interface ObjectPage {
  /** In ascending order of their keys. */
  readonly items: readonly ObjectItem[]
  /** Whether there are more behind the last one. */
  readonly isMore: boolean
}

export interface ByteRange {
  readonly offset: number
  readonly lengthBytes: number
}

/** All calls throw ObjectsError, and `ABORTED`. One call is one try; retrying-objects.ts tries again. */
export interface Objects {
  /** For people: where it is, without credentials. */
  readonly place: string
  /** Resolves when the object is durable. With `isNew` throws `exists` when there is one: some servers do not know how, and write over it. */
  put(key: string, bytes: Uint8Array, isNew: boolean, signal: AbortSignal): Promise<void>
  /**
   * The object, or what of the range there is; undefined when there is no such object. `bytesMax` bounds what is taken into memory:
   * more is an error.
   */
  get(key: string, range: ByteRange | undefined, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined>
  /** A page of the objects whose key begins with `prefix`, behind `after`. */
  list(prefix: string, after: string, signal: AbortSignal): Promise<ObjectPage>
  /** One that is not there is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>
}
