// Object storage that speaks S3, over node:http: fetch has no limit on silence while a body is sent, and a slow uplink is no dead one.
// Requests are signed by aws4fetch. Buckets are named in the path, which every server understands.

import { webcrypto } from 'node:crypto'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { AwsV4Signer } from 'aws4fetch'
import { concatBytes, toHex } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { ObjectsError, type ByteRange, type ObjectPage, type Objects } from '../base/objects.ts'
import { errorOf, parseListing, type S3Answer } from './s3-answers.ts'

export interface S3Place {
  readonly bucket: string
  /** Without slashes at its ends; empty for none. */
  readonly prefix: string
  /** http or https, without a slash at its end. */
  readonly endpoint: string
  readonly region: string
}

export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** A connection on which nothing moves for so long is given up. */
const silenceMsMax = 30_000
/** A request may take so long, and longer by what it moves at this rate. */
const requestMsMax = 120_000
const leastBytesPerMs = 4
/** What an error or a page of a listing may be at most. */
const answerBytesMax = 4 * 1024 * 1024
const connectionsMax = 16
const listPageMax = 1000

/** Throws nothing: the first call finds out whether the place is good. */
export function openS3Objects(place: S3Place, keys: S3Keys): Objects & Disposable {
  return new S3Objects(place, keys)
}

interface Call {
  readonly operation: string
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly key: string
  readonly query?: string
  readonly body?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly bytesMax: number
  readonly signal: AbortSignal
}

class S3Objects implements Objects {
  readonly place: string
  readonly #where: S3Place
  readonly #keys: S3Keys
  readonly #root: string
  readonly #agent: HttpAgent | HttpsAgent
  /** Signing keys by day. */
  readonly #cache = new Map<string, ArrayBuffer>()
  #isConditional = true

  constructor(where: S3Place, keys: S3Keys) {
    this.#where = where
    this.#keys = keys
    this.#root = where.prefix === '' ? '' : `${where.prefix}/`
    this.place = `s3://${where.bucket}/${this.#root} at ${new URL(where.endpoint).host}`
    const options = { keepAlive: true, maxSockets: connectionsMax }
    this.#agent = where.endpoint.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options)
  }

  async put(key: string, bytes: Uint8Array, isNew: boolean, signal: AbortSignal): Promise<void> {
    const isConditional = isNew && this.#isConditional
    const headers = { 'content-type': 'application/octet-stream', ...(isConditional ? { 'if-none-match': '*' } : {}) }
    const answer = await this.#call({ operation: 'put', method: 'PUT', key, body: bytes, headers, bytesMax: answerBytesMax, signal })
    if (answer.status < 300) return
    if (answer.status !== 501 || !isConditional) throw errorOf('put', key, answer)
    this.#isConditional = false // the server does not know the header
    await this.put(key, bytes, isNew, signal)
  }

  async get(key: string, range: ByteRange | undefined, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (range?.lengthBytes === 0) return new Uint8Array(0)
    const headers = range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}` }
    const answer = await this.#call({ operation: 'get', method: 'GET', key, headers, bytesMax, signal })
    if (answer.status === 200 && range !== undefined && range.offset > 0)
      throw new ObjectsError('other', 'get', key, 'the server sent another part than was asked for')
    if (answer.status < 300) return answer.bytes
    if (answer.status === 416) return new Uint8Array(0) // shorter than where the range begins
    const error = errorOf('get', key, answer)
    if (answer.status === 404 && error.fault !== 'noBucket') return undefined
    throw error
  }

  /** The older form of the call: it goes on from a key, where the newer one has tokens that servers make in ways of their own. */
  async list(prefix: string, after: string, signal: AbortSignal): Promise<ObjectPage> {
    const query = new URLSearchParams({
      marker: `${this.#root}${after}`,
      'max-keys': String(listPageMax),
      prefix: `${this.#root}${prefix}`,
    })
    const call = { operation: 'list', method: 'GET', key: '', query: query.toString().replaceAll('+', '%20') } as const
    const answer = await this.#call({ ...call, bytesMax: answerBytesMax, signal })
    if (answer.status >= 300) throw errorOf('list', prefix, answer)
    const page = parseListing(new TextDecoder().decode(answer.bytes), this.#root)
    if (page === undefined) throw new ObjectsError('other', 'list', prefix, 'the answer is no listing; is this an S3 endpoint?')
    return page
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#call({ operation: 'delete', method: 'DELETE', key, bytesMax: answerBytesMax, signal })
    if (answer.status < 300) return
    const error = errorOf('delete', key, answer)
    if (answer.status !== 404 || error.fault === 'noBucket') throw error
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #call(call: Call): Promise<S3Answer> {
    const { bucket, endpoint, region } = this.#where
    const { method, key, query, body, operation, signal } = call
    const path = key === '' ? '' : `/${`${this.#root}${key}`.split('/').map(encodeStrictly).join('/')}`
    const url = `${endpoint}/${bucket}${path}${query === undefined ? '' : `?${query}`}`
    const sha256 = toHex(new Uint8Array(await webcrypto.subtle.digest('SHA-256', Uint8Array.from(body ?? []))))
    const headers = { ...call.headers, 'x-amz-content-sha256': sha256 }
    const signer = new AwsV4Signer({ ...this.#keys, method, url, headers, region, service: 's3', cache: this.#cache })
    const signed = await signer.sign()
    try {
      return await this.#send(call, signed.url, Object.fromEntries(signed.headers))
    } catch (error) {
      if (error instanceof ObjectsError) throw error
      if (signal.aborted) throw new EngineError('ABORTED', 'stopped before it was done', { cause: error })
      throw new ObjectsError('unreachable', operation, key, messageOf(error), { cause: error })
    }
  }

  async #send({ method, body, bytesMax, operation, key, signal }: Call, url: URL, headers: Record<string, string>): Promise<S3Answer> {
    const limitMs = requestMsMax + Math.ceil(((body?.length ?? 0) + bytesMax) / leastBytesPerMs)
    const stop = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = send(url, { method, agent: this.#agent, signal: stop, headers: { ...headers, 'content-length': body?.length ?? 0 } })
      sent.setTimeout(silenceMsMax, () => sent.destroy(new Error(`nothing came or went for ${silenceMsMax / 1000} s`)))
      sent.on('response', resolve)
      sent.on('error', reject)
      sent.end(body)
    })
    const status = response.statusCode ?? 0
    const limitBytes = status < 300 ? bytesMax : answerBytesMax
    const chunks: Uint8Array[] = []
    let bytes = 0
    // cast: without an encoding, chunks are bytes; the types say any
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > limitBytes) {
        response.destroy()
        throw new ObjectsError('other', operation, key, `the answer is larger than the ${limitBytes} bytes that it may have`)
      }
      chunks.push(chunk)
    }
    const region = response.headers['x-amz-bucket-region']
    return { status, bytes: concatBytes(chunks), region: typeof region === 'string' ? region : undefined }
  }
}

/** As the signature wants it: everything but letters, digits and -._~ as percent signs. */
function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
