// A real S3 server on loopback (s3rver, which checks signatures), and a front before it that can do what networks and other servers do:
// refuse, break off, answer late, take puts that must be new only where nothing is.

import { once } from 'node:events'
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { openS3Objects, type S3Keys, type S3Place } from '../../engine/platform/s3-objects.ts'
import type { Objects } from '../../engine/base/objects.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export const testBucket = 'blocks'
export const testKeys: S3Keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }

interface S3Library {
  run(): Promise<AddressInfo>
  close(): Promise<void>
}

/** What the front does with one request instead of passing it on. */
export type Trouble =
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** The connection ends without an answer; with `isDone`, after the server has done what was asked. */
  | { readonly kind: 'breakOff'; readonly isDone: boolean }
  /** One bit of what the server gave is another. */
  | { readonly kind: 'flipBit' }

export interface SeenRequest {
  readonly method: string
  /** Without the bucket. */
  readonly key: string
}

export class S3Server implements AsyncDisposable {
  readonly #library: S3Library
  readonly #directory: Disposable
  readonly #front: Server
  readonly #inner: number
  /** Asked for each request. */
  trouble: (seen: SeenRequest) => Trouble | undefined = () => undefined
  /** Whether `if-none-match: *` is understood. s3rver ignores it. */
  isConditional = true
  readonly seen: SeenRequest[] = []
  #order: Promise<void> = Promise.resolve()

  private constructor(library: S3Library, directory: Disposable, inner: number) {
    this.#library = library
    this.#directory = directory
    this.#inner = inner
    this.#front = createServer((incoming, answer) => {
      // One after the other: whether something is there and putting it is one step, as it is in servers that know how.
      this.#order = this.#order.then(() => this.#serve(incoming, answer)).catch(() => void answer.destroy())
    })
  }

  static async open(): Promise<S3Server> {
    const directory = temporaryDirectory()
    // The package has no types.
    const Library = createRequire(import.meta.url)('s3rver') as new (options: object) => S3Library
    const options = { port: 0, address: '127.0.0.1', silent: true, directory: directory.path, configureBuckets: [{ name: testBucket }] }
    const library = new Library(options)
    const { port } = await library.run()
    const server = new S3Server(library, directory, port)
    server.#front.listen(0, '127.0.0.1')
    await once(server.#front, 'listening')
    return server
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#front.address() as AddressInfo).port}`
  }

  objects(prefix: string, place: Partial<S3Place> = {}, keys: S3Keys = testKeys): Objects & Disposable {
    return openS3Objects({ bucket: testBucket, prefix, endpoint: this.endpoint, region: 'us-east-1', ...place }, keys)
  }

  /** From now on nobody listens, until `listen` is called with the port that was. */
  async unplug(): Promise<number> {
    const { port } = this.#front.address() as AddressInfo
    this.#front.closeAllConnections()
    this.#front.close()
    await once(this.#front, 'close')
    return port
  }

  async listen(port: number): Promise<void> {
    this.#front.listen(port, '127.0.0.1')
    await once(this.#front, 'listening')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#front.closeAllConnections()
    this.#front.close()
    await this.#library.close()
    this.#directory[Symbol.dispose]()
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = []
    for await (const chunk of incoming) chunks.push(chunk as Uint8Array)
    const seen = { method: incoming.method ?? '', key: decodeURIComponent((incoming.url ?? '').replace(`/${testBucket}/`, '')) }
    this.seen.push(seen)
    const trouble = this.trouble(seen)
    if (trouble?.kind === 'breakOff' && !trouble.isDone) return void answer.destroy()
    if (trouble?.kind === 'answer') return sendError(answer, trouble.status, trouble.code)
    if (this.isConditional && incoming.headers['if-none-match'] === '*' && (await this.#isThere(incoming.url ?? '')))
      return sendError(answer, 412, 'PreconditionFailed')
    const given = await this.#pass(incoming.method ?? '', incoming.url ?? '', incoming.headers, Buffer.concat(chunks))
    if (trouble?.kind === 'breakOff') return void answer.destroy()
    if (trouble?.kind === 'flipBit' && given.body.length > 0)
      given.body[given.body.length >> 1] = (given.body[given.body.length >> 1] ?? 0) ^ 1
    answer.writeHead(given.status, given.headers)
    answer.end(given.body)
  }

  async #isThere(url: string): Promise<boolean> {
    const { AwsV4Signer } = await import('aws4fetch')
    const signer = new AwsV4Signer({ ...testKeys, method: 'GET', url: `${this.endpoint}${url}`, service: 's3', region: 'us-east-1' })
    const signed = await signer.sign()
    const host = new URL(this.endpoint).host
    const { status } = await this.#pass('GET', url, { ...Object.fromEntries(signed.headers), host }, Buffer.alloc(0))
    return status === 200
  }

  async #pass(
    method: string,
    path: string,
    headers: IncomingHttpHeaders,
    body: Uint8Array,
  ): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }> {
    const passed = request({ host: '127.0.0.1', port: this.#inner, method, path, headers, agent: false })
    passed.end(body)
    const [response] = (await once(passed, 'response')) as [IncomingMessage]
    const chunks: Uint8Array[] = []
    for await (const chunk of response) chunks.push(chunk as Uint8Array)
    return { status: response.statusCode ?? 500, headers: response.headers, body: Buffer.concat(chunks) }
  }
}

function sendError(answer: ServerResponse, status: number, code: string): void {
  answer.writeHead(status, { 'content-type': 'application/xml' })
  answer.end(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>as the test wants it</Message></Error>`)
}
