-- In your xmake.lua: add_repositories("normalize-h path/to/this/tree/packaging/xmake")
-- add_requires("normalize-h") and, in the target, add_packages("normalize-h").
package("normalize-h")
    set_kind("library", {headeronly = true})
    set_description("Batch, layer, instance, group and RMS normalization in one C header")
    set_license("MIT OR Unlicense")
    set_sourcedir(path.join(os.scriptdir(), "..", "..", "..", "..", ".."))

    if is_plat("linux", "bsd", "android") then
        add_syslinks("m")
    end

    on_install(function (package)
        os.cp("normalize.h", package:installdir("include"))
    end)

    on_test(function (package)
        assert(package:has_cfuncs("nrm_layernorm", {
            includes = "normalize.h", defines = "NORMALIZE_IMPLEMENTATION"}))
    end)
package_end()
