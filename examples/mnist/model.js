/** The network, on TensorFlow.js with its WebAssembly backend. */
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'

setWasmPaths(fileURLToPath(new URL('.', import.meta.resolve('@tensorflow/tfjs-backend-wasm'))))
await tf.setBackend('wasm')

export { tf }

/** 784 pixels → 128 → 10 digits. The same seed gives the same weights. */
export function newModel(seed) {
  const { dense } = tf.layers
  const model = tf.sequential({
    layers: [
      dense({ inputShape: [784], units: 128, activation: 'relu', kernelInitializer: tf.initializers.heNormal({ seed }) }),
      dense({ units: 10, activation: 'softmax', kernelInitializer: tf.initializers.heNormal({ seed: seed + 1 }) })
    ]
  })
  model.compile({ optimizer: tf.train.momentum(0.2, 0.9), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return model
}
