// The jobs, for Piscina and Tinypool.
export function noop(value) { return value; }
export function copy(bytes) { return bytes; }
