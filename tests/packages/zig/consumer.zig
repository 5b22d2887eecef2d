//! What consumer.c does, in Zig: both rows have the same result.
const std = @import("std");
const c = @import("normalize");

pub fn main() !void {
    const x = [2][4]f32{ .{ 1, 2, 3, 4 }, .{ 40000, 40001, 40002, 40003 } };
    var y: [2][4]f32 = undefined;
    const status = c.nrm_layernorm(&y[0][0], &x[0][0], 2, 4, null, null, 1e-5);
    if (status != c.NRM_OK) return error.NotOk;
    if (!std.mem.eql(f32, &y[0], &y[1]) or y[0][0] > -1.3416 or y[0][0] < -1.3417)
        return error.Wrong;
    if (c.nrm_version() != c.NRM_VERSION) return error.OtherVersion;
    std.debug.print("normalize {d}.{d}.{d}\n", .{
        c.NRM_VERSION_MAJOR, c.NRM_VERSION_MINOR, c.NRM_VERSION_PATCH });
}
