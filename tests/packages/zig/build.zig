const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const normalize = b.dependency("normalize", .{
        .target = target,
        .optimize = optimize,
        .simd = false,
    });
    const consumer = b.addExecutable(.{
        .name = "consumer",
        .root_module = b.createModule(.{
            .root_source_file = b.path("consumer.zig"),
            .target = target,
            .optimize = optimize,
        }),
    });
    consumer.root_module.addImport("normalize", normalize.module("normalize"));
    b.installArtifact(consumer);
}
