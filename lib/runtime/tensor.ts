/** Tensors as they cross the thread boundary: C order, dtype and shape stated. Half floats are raw bits in a Uint16Array. */
export interface TensorArrays {
  float32: Float32Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
}
export type TensorDType = keyof TensorArrays;

export interface Tensor<D extends TensorDType = TensorDType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: TensorArrays[D];
}

export const float32 = (data: Float32Array, shape: readonly number[]): Tensor<'float32'> => ({
  dtype: 'float32',
  shape,
  data,
});
export const float16 = (data: Uint16Array, shape: readonly number[]): Tensor<'float16'> => ({
  dtype: 'float16',
  shape,
  data,
});
