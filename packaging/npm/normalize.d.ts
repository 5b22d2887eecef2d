/** Values of one call: all float, or all double. */
export type Values = Float32Array | Float64Array;

/** What to compute: n samples of c channels of s positions. */
export interface Norm<T extends Values = Float32Array> {
    kind: 'batch' | 'layer' | 'instance' | 'group' | 'rms';
    n: number;
    c: number;
    /** 1 if it is left out */
    s?: number;
    /** of channels, for 'group'; divides c */
    groups?: number;
    /** NCHW, where the positions of a channel are neighbours, if it is left out */
    layout?: 'NCHW' | 'NHWC';
    /** added to the variance; 1e-5 if it is left out */
    eps?: number;
    /** c values each; 1 and 0 if they are left out */
    gamma?: T;
    beta?: T;
    /** c values each, of batch and instance norm: forward moves them, infer normalises with them */
    runningMean?: T;
    runningVar?: T;
    /** the weight of the new statistics; 0.1 if it is left out */
    runningRate?: number;
}

export interface Statistics {
    mean: Float64Array;
    rstd: Float64Array;
}

/** y = (x - mean) * rstd * gamma + beta, and the statistics, for backward. */
export function forward<T extends Values>(norm: Norm<T>, x: T): {y: T} & Statistics;

/** The same with the running statistics, if there are any; batch norm needs them. */
export function infer<T extends Values>(norm: Norm<T>, x: T): T;

/** The gradients, from that of y. */
export function backward<T extends Values>(norm: Norm<T>, x: T, dy: T, statistics: Statistics):
    {dx: T, dgamma: T, dbeta: T};

/** major * 10000 + minor * 100 + patch */
export const version: number;
