// Links as text: what people and mail programs do to them, and every slip of the finger found.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { EngineError } from '../../engine/base/errors.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { formatLink, isLinkProof, parseLink, proveLink, type Link } from '../../engine/share/link.ts'

const [inviter, joiner, other] = [1, 2, 3].map((number) => createIdentity(new Uint8Array(32).fill(number)).peerId)
assert.ok(inviter !== undefined && joiner !== undefined && other !== undefined)

const link: Link = {
  linkId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  secret: new Uint8Array(16).fill(9),
  inviter,
  addresses: [`/ip4/192.168.1.7/tcp/4001/p2p/${inviter}`, `/ip6/::1/tcp/4001/p2p/${inviter}`],
  folderName: 'Fotos & Überreste',
  role: 'host',
}
const text = formatLink(link)
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Refused with a message for people that does not give the secret away. */
function assertRefused(broken: string): void {
  assert.throws(
    () => parseLink(broken),
    (error) =>
      error instanceof EngineError && error.code === 'BAD_LINK' && error.message.length > 20 && !error.message.includes(text.slice(20, 60)),
    `accepted: ${broken}`,
  )
}

describe('a link', () => {
  it('is read back as it was made', () => assert.deepEqual(parseLink(text), link))

  it('is letters and digits only after its name', () => assert.match(text, /^holdfast:1[a-z2-7]+$/))

  for (const [what, around] of [
    ['in capitals', text.toUpperCase()],
    ['in mixed case', text.replace(/[aeiou]/g, (letter) => letter.toUpperCase())],
    ['with spaces and a line end', `  ${text}\r\n`],
    ['with a full stop', `${text}.`],
    ['with a comma', `${text},`],
    ['in angle brackets', `<${text}>`],
    ['in quotes', `"${text}"`],
    ['in single quotes', `'${text}'`],
    ['in parentheses with a full stop', `(${text}).`],
    ['with an exclamation mark', `${text}!`],
    ['in brackets and a full stop, with spaces', ` <${text}>. `],
  ] as const) {
    it(`${what} is the same link`, () => assert.deepEqual(parseLink(around), link))
  }

  it('with any one character changed is refused', () => {
    for (let at = 0; at < text.length; at++) {
      for (const letter of at < 10 ? 'x0' : alphabet) {
        if (letter === text[at]) continue
        assertRefused(text.slice(0, at) + letter + text.slice(at + 1))
      }
    }
  })

  it('cut anywhere is refused', () => {
    for (let at = 0; at < text.length; at++) {
      assertRefused(text.slice(0, at))
      if (at > 0) assertRefused(text.slice(at))
    }
  })

  it('with a character too many, two swapped or a space within is refused', () => {
    for (let at = 10; at < text.length; at++) {
      assertRefused(`${text.slice(0, at)}a${text.slice(at)}`)
      assertRefused(`${text.slice(0, at)} ${text.slice(at)}`)
      const [left, right] = [text[at], text[at + 1]]
      if (right !== undefined && left !== right) assertRefused(text.slice(0, at) + right + left + text.slice(at + 2))
    }
    assertRefused(`${text}a`)
    assertRefused(text + text)
  })

  it('of a newer version asks for an update', () => {
    assert.throws(() => parseLink(text.replace('holdfast:1', 'holdfast:2')), /newer version/)
  })

  for (const nonsense of [
    '',
    ' ',
    'holdfast',
    'holdfast:',
    'holdfast:1',
    'https://example.org/',
    'holdfast:1!!!',
    `holdfast:1${'a'.repeat(5000)}`,
    'ſoldfast:1abc',
  ]) {
    it(`is not ${JSON.stringify(nonsense.slice(0, 30))}`, () => assertRefused(nonsense))
  }

  it('carries any name and a bounded number of addresses', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 80 }),
        fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 20 }),
        (folderName, addresses) => {
          const made = { ...link, folderName, addresses }
          assert.deepEqual(parseLink(formatLink(made)), { ...made, addresses: addresses.slice(0, 16) })
        },
      ),
      { numRuns: 60, seed: 1 },
    )
  })

  it('is one that this program reads when it has the longest name and addresses that a node makes', () => {
    const address = `/ip6/2001:0db8:85a3:0000:0000:8a2e:0370:7334/tcp/65535/p2p/${inviter}`
    const longest = { ...link, folderName: 'ü'.repeat(128), addresses: Array.from({ length: 16 }, () => address) }
    assert.deepEqual(parseLink(formatLink(longest)), longest)
  })
})

describe('the proof of a link', () => {
  const proof = proveLink(link.secret, link.linkId, joiner, inviter)
  it('convinces the inviter of the joiner', () => assert.ok(isLinkProof(link.secret, link.linkId, joiner, inviter, proof)))
  for (const [what, holds] of [
    ['from another node', isLinkProof(link.secret, link.linkId, other, inviter, proof)],
    ['to another node', isLinkProof(link.secret, link.linkId, joiner, other, proof)],
    ['the other way round', isLinkProof(link.secret, link.linkId, inviter, joiner, proof)],
    ['of another secret', isLinkProof(new Uint8Array(16), link.linkId, joiner, inviter, proof)],
    ['of another link', isLinkProof(link.secret, new Uint8Array(8), joiner, inviter, proof)],
    ['cut', isLinkProof(link.secret, link.linkId, joiner, inviter, proof.subarray(0, 31))],
    ['that is empty', isLinkProof(link.secret, link.linkId, joiner, inviter, new Uint8Array(0))],
    ['with a byte more', isLinkProof(link.secret, link.linkId, joiner, inviter, new Uint8Array([...proof, 0]))],
  ] as const) {
    it(`${what} convinces nobody`, () => assert.equal(holds, false))
  }
})
