/** To the nearest whole number, halves to the even one: the rounding of IEEE 754 and of ONNX, for numbers of zero or more. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
