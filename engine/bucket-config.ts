// Where a node keeps its blocks when it is not in its home: `--store s3://bucket/prefix`, and the environment that S3 tools agree on.

import { EngineError } from './base/errors.ts'

export interface BucketConfig {
  readonly bucket: string
  /** Without slashes at its ends; empty for none. */
  readonly prefix: string
  /** http or https, without a slash at its end. */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** Take the store over from the node that it belongs to. */
  readonly takeOver: boolean
}

export interface BucketOptions {
  readonly store?: string
  readonly s3Endpoint?: string
  readonly takeOver?: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

const defaultRegion = 'us-east-1'
const prefixCharactersMax = 512

/** undefined when the blocks are in the home. Throws `BAD_ARGUMENT`. */
export function parseBucketConfig({ store, s3Endpoint, takeOver }: BucketOptions, env: Environment): BucketConfig | undefined {
  if (store === undefined) {
    if (s3Endpoint === undefined && takeOver !== true) return undefined
    throw refused(s3Endpoint === undefined ? '--take-over' : '--s3-endpoint', 'give --store s3://BUCKET/PREFIX with it')
  }
  const match = /^s3:\/\/([\w.-]{3,63})(?:\/(.*))?$/.exec(store)
  const prefix = (match?.[2] ?? '').replace(/\/+$/, '')
  const isPrefix = prefix.length <= prefixCharactersMax && !/\p{C}/u.test(prefix)
  if (match === null || !isPrefix || prefix.split('/').some((part) => part === '.' || part === '..') || /^\/|\/\//.test(prefix))
    throw refused(
      `--store ${JSON.stringify(store)}`,
      'give s3://BUCKET or s3://BUCKET/PREFIX; the name of a bucket has 3 to 63 letters, digits, dots and hyphens',
    )
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? defaultRegion
  const accessKeyId = env['AWS_ACCESS_KEY_ID'] ?? ''
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'] ?? ''
  if (accessKeyId === '' || secretAccessKey === '')
    throw refused('--store', 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of the daemon')
  const sessionToken = env['AWS_SESSION_TOKEN'] ?? ''
  return {
    bucket: match[1] ?? '',
    prefix,
    endpoint: parseEndpoint(s3Endpoint ?? `https://s3.${region}.amazonaws.com`),
    region,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === '' ? {} : { sessionToken }),
    takeOver: takeOver ?? false,
  }
}

function parseEndpoint(text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  if (url === null || !isPlain || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw refused(`--s3-endpoint ${JSON.stringify(text)}`, 'give a URL such as https://s3.example.org or http://127.0.0.1:9000')
  return url.href.replace(/\/+$/, '')
}

function refused(given: string, next: string): EngineError {
  return new EngineError('BAD_ARGUMENT', `${given}: ${next}`)
}
