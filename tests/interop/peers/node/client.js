// SPDX-License-Identifier: Apache-2.0
// Plain CoAP client of the tests on node-coap. It is asked on standard input, one JSON object a line, and answers in one line:
//
//   {"uri": "coap://127.0.0.1:5683/lock", "method": "PUT", "payload": "unlocked", "non": true}
//
// "block" is a size of blocks. With "observe": true, an event follows for each notification, until a line {"cancel": true}.
// Events: ready; response; notified; cancelled; failed.
'use strict'
const { createInterface } = require('node:readline')
const coap = require('coap')

const TIMEOUT_MS = 15000
let observed = null
const emit = (event, fields) => console.log(JSON.stringify({ event, ...fields }))

function request (wanted) {
  const target = new URL(wanted.uri)
  const made = coap.request({
    hostname: target.hostname, port: Number(target.port), pathname: target.pathname, query: target.search.slice(1),
    method: wanted.method, confirmable: !wanted.non, observe: wanted.observe === true
  })
  const body = Buffer.from(wanted.payload || '')
  if (wanted.block) made.setOption(body.length > 0 ? 'Block1' : 'Block2', Buffer.of(Math.log2(wanted.block) - 4))
  return { made, body }
}

const answer = (res, payload) => ({ code: res.code, payload: payload.toString('hex'), protected: false })

function cancel () {
  observed.close()
  return Promise.resolve(['cancelled', {}])
}

function ask (wanted) {
  const { made, body } = request(wanted)
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(['failed', { why: 'timeout' }]), TIMEOUT_MS)
    const done = (event, fields) => { clearTimeout(timer); resolve([event, fields]) }
    made.on('error', (e) => done('failed', { why: e.message }))
    made.on('response', (res) => {
      if (!wanted.observe) {
        done('response', answer(res, res.payload))
        return
      }
      observed = res
      let seen = 0
      res.on('data', (payload) => {
        if (seen++ === 0) done('response', answer(res, payload))
        else emit('notified', answer(res, payload))
      })
    })
    made.end(body)
  })
}

emit('ready', {})
let before = Promise.resolve()
createInterface({ input: process.stdin }).on('line', (line) => {
  const wanted = JSON.parse(line)
  before = before.then(() => wanted.cancel ? cancel() : ask(wanted)).then(([event, fields]) => emit(event, fields))
})
