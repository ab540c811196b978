// BLAKE3 against the test vectors that its authors publish (first 32 bytes of each output), native and portable alike.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { toHex, utf8 } from '../../engine/base/bytes.ts'
import { openNativeBlake3, openPortableBlake3 } from '../../engine/crypto/blake3.ts'
import { blake3, blake3Implementation, blake3Keyed, createBlake3, deriveKey } from '../../engine/crypto/hash.ts'

const vectorKey = utf8('whats the Elvish word for friend')
const vectorContext = 'BLAKE3 2019-12-27 16:29:52 test vectors context'

/** Length of the input (bytes 0 to 250, repeated), hash, keyed hash, derived key. */
const vectors: readonly (readonly [number, string, string, string])[] = [
  [
    0,
    'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26',
    '2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d',
  ],
  [
    1,
    '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
    '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b',
    'b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c',
  ],
  [
    1023,
    '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11',
    'c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e',
    '74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5',
  ],
  [
    1024,
    '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7',
    '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4',
    '7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706',
  ],
  [
    1025,
    'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
    '357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69',
    'effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb',
  ],
  [
    2048,
    'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a',
    '879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1',
    '7b2945cb4fef70885cc5d78a87bf6f6207dd901ff239201351ffac04e1088a23',
  ],
  [
    2049,
    '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030',
    '9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5',
    '2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273',
  ],
]

function vectorInput(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251)
}

const native = openNativeBlake3()
const portable = openPortableBlake3()

for (const subject of [native, portable]) {
  describe(`${subject.implementation} BLAKE3`, () => {
    for (const [length, hash, keyed, derived] of vectors) {
      it(`gives the published outputs for ${length} bytes`, () => {
        const input = vectorInput(length)
        assert.equal(toHex(subject.hash(input)), hash)
        assert.equal(toHex(subject.keyed(vectorKey, input)), keyed)
        assert.equal(toHex(subject.deriveKey(vectorContext, input)), derived)
        const incremental = subject.incremental()
        for (let at = 0; at < length; at += 700) incremental.update(input.subarray(at, at + 700))
        assert.equal(toHex(incremental.digest()), hash)
      })
    }

    it('answers in plain bytes that can be transferred to another thread', () => {
      const answers = [
        subject.hash(utf8('a')),
        subject.keyed(vectorKey, utf8('a')),
        subject.deriveKey('context', utf8('a')),
        subject.incremental().digest(),
      ]
      for (const answer of answers) {
        assert.equal(Object.getPrototypeOf(answer), Uint8Array.prototype)
        assert.equal(answer.length, 32)
        assert.equal(answer.buffer.byteLength, 32)
        const text = toHex(answer)
        assert.equal(toHex(structuredClone(answer, { transfer: [answer.buffer] })), text)
      }
    })

    it('refuses a key that does not have 32 bytes', () => {
      assert.throws(() => subject.keyed(new Uint8Array(31), utf8('a')), { code: 'INTERNAL' })
    })

    it('follows a key object that its owner overwrites', () => {
      const key = Uint8Array.from(vectorKey)
      subject.keyed(key, utf8('a'))
      key.fill(9)
      assert.equal(toHex(subject.keyed(key, utf8('a'))), toHex(subject.keyed(new Uint8Array(32).fill(9), utf8('a'))))
    })
  })
}

describe('both implementations', () => {
  it('agree on any input, wherever it lies in its buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(7), (bytes, key, offset) => {
        const shifted = new Uint8Array(bytes.length + offset)
        shifted.set(bytes, offset)
        const view = shifted.subarray(offset)
        assert.equal(toHex(native.hash(view)), toHex(portable.hash(bytes)))
        assert.equal(toHex(native.keyed(key, view)), toHex(portable.keyed(key, bytes)))
        assert.equal(toHex(native.deriveKey('context', view)), toHex(portable.deriveKey('context', bytes)))
      }),
    )
  })
})

describe('the engine', () => {
  it('hashes with the native implementation where it can be loaded', () => {
    assert.equal(blake3Implementation, 'native')
    const input = vectorInput(1025)
    assert.equal(toHex(blake3(input)), toHex(portable.hash(input)))
    assert.equal(toHex(blake3Keyed(vectorKey, input)), toHex(portable.keyed(vectorKey, input)))
    assert.equal(toHex(deriveKey(vectorContext, input)), toHex(portable.deriveKey(vectorContext, input)))
    const incremental = createBlake3()
    incremental.update(input)
    assert.equal(toHex(incremental.digest()), toHex(portable.hash(input)))
  })
})
