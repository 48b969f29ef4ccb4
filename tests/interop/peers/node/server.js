// SPDX-License-Identifier: Apache-2.0
// Plain CoAP server of the tests on node-coap. One JSON line an event on standard output.
//
//   node server.js --port P
//
// /lock GET PUT, /counter POST (adds one), /slow GET (a separate response), /sensor GET (observable: each PUT there is told),
// /big GET (5,000 bytes) PUT (answers with the SHA-256). Events: ready; request.
'use strict'
const { createHash } = require('node:crypto')
const { parseArgs } = require('node:util')
const coap = require('coap')

const { values: args } = parseArgs({ options: { port: { type: 'string' } } })
const BIG = Buffer.from('0123456789abcdef'.repeat(313)).subarray(0, 5000)
const SLOW_MS = 300
const emit = (event, fields) => console.log(JSON.stringify({ event, ...fields }))
const observers = new Set()
let lock = 'locked'
let count = 0
let sensor = '21.5'

const handlers = {
  'GET /lock': (req, res) => { res.setOption('Content-Format', 'text/plain'); res.end(lock) },
  'PUT /lock': (req, res) => {
    const wanted = req.payload.toString()
    const ok = wanted === 'locked' || wanted === 'unlocked'
    res.code = ok ? '2.04' : '4.00'
    lock = ok ? wanted : lock
    res.end(ok ? '' : 'locked or unlocked')
  },
  'POST /counter': (req, res) => { res.code = '2.04'; res.end(String(++count)) },
  'GET /slow': (req, res) => { setTimeout(() => res.end('done'), SLOW_MS) },
  'GET /sensor': (req, res) => {
    if (req.headers.Observe !== 0) {
      res.end(sensor)
      return
    }
    res.write(sensor)
    observers.add(res)
    res.on('finish', () => { observers.delete(res); emit('gone', { observers: observers.size }) })
  },
  'PUT /sensor': (req, res) => {
    sensor = req.payload.toString()
    for (const each of observers) each.write(sensor)
    res.code = '2.04'
    res.end()
  },
  'GET /big': (req, res) => { res.end(BIG) },
  'PUT /big': (req, res) => { res.code = '2.04'; res.end(createHash('sha256').update(req.payload).digest('hex')) }
}

const server = coap.createServer((req, res) => {
  const path = req.url.split('?')[0]
  const handler = handlers[`${req.method} ${path}`]
  if (handler) {
    handler(req, res)
  } else {
    res.code = Object.keys(handlers).some((k) => k.endsWith(' ' + path)) ? '4.05' : '4.04'
    res.end()
  }
  emit('request', { code: req.method, path, payload: req.payload.toString('hex'), response: res.code || '2.05' })
})
server.on('error', (e) => emit('error', { text: e.message }))
server.listen(Number(args.port), '127.0.0.1', () => emit('ready', { port: Number(args.port) }))
