/** The network, on TensorFlow.js with its WebAssembly backend. */
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'

setWasmPaths(fileURLToPath(new URL('.', import.meta.resolve('@tensorflow/tfjs-backend-wasm'))))
await tf.setBackend('wasm')

export { tf }

/** 784 pixels → 128 → 64 → 10 digits. The same seed gives the same weights. */
export function newModel(seed) {
  const weights = layer => tf.initializers.heNormal({ seed: seed + layer })
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [784], units: 128, activation: 'relu', kernelInitializer: weights(0) }),
      tf.layers.dense({ units: 64, activation: 'relu', kernelInitializer: weights(1) }),
      tf.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: weights(2) })
    ]
  })
  model.compile({ optimizer: tf.train.momentum(0.1, 0.9), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return model
}
