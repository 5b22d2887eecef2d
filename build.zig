//! The library for Zig: a module "normalize" of the declarations, which links the compiled code.
//!
//!     zig fetch --save path-or-url
//!     exe.root_module.addImport("normalize", b.dependency("normalize", .{
//!         .target = target, .optimize = optimize }).module("normalize"));
const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const simd = b.option(bool, "simd", "false: scalar code alone") orelse true;

    const library = b.addLibrary(.{
        .name = "normalize",
        .linkage = .static,
        .root_module = b.createModule(.{
            .target = target,
            .optimize = optimize,
            .link_libc = true,
        }),
    });
    // Without a sanitizer of Zig's debug builds, which the program would have to link as well.
    library.root_module.addCSourceFile(.{
        .file = b.path("packaging/normalize.c"),
        .flags = if (simd) &.{ "-std=c99", "-fno-sanitize=all" } else &.{ "-std=c99",
            "-fno-sanitize=all", "-DNRM_NO_SIMD" },
    });
    library.installHeader(b.path("normalize.h"), "normalize.h");
    b.installArtifact(library);

    const declarations = b.addTranslateC(.{
        .root_source_file = b.path("normalize.h"),
        .target = target,
        .optimize = optimize,
    });
    const module = declarations.addModule("normalize");
    module.linkLibrary(library);
}
