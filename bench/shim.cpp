// shim.cpp - see shim.h. Google Benchmark 1.7 (Debian 12) and later.
#include "shim.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <regex.h>

struct shim_state {
    benchmark::State *state;
};

namespace {

std::vector<const shim_row *> rows;
std::vector<std::string> arguments; // argv with the defaults in front
std::vector<char *> pointers;
bool has_output, json_output = true, list_only;

// ---- The timed loops ----------------------------------------------------------------------------

void time_warm(benchmark::State &state, const shim_row *row)
{
    for (auto _ : state) row->call(row->user);
}

void time_cold(benchmark::State &state, const shim_row *row)
{
    typedef std::chrono::steady_clock clock;
    for (auto _ : state) {
        row->before(row->user);
        const clock::time_point start = clock::now();
        row->call(row->user);
        state.SetIterationTime(std::chrono::duration<double>(clock::now() - start).count());
    }
}

void body(benchmark::State &state, const shim_row *row)
{
    const char *wrong = row->prepare(row->user);
    if (wrong) {
        state.SkipWithError(wrong);
        return;
    }
    if (row->before)
        time_cold(state, row);
    else
        time_warm(state, row);
    if (row->label) state.SetLabel(row->label);
    shim_state s = {&state};
    wrong = row->finish(row->user, &s);
    if (wrong) state.SkipWithError(wrong);
}

// ---- Reporters ----------------------------------------------------------------------------------

// Google Benchmark appends how a row was timed (/real_time, /iterations:10) to its name.
typedef benchmark::BenchmarkReporter::Run run_type;

void plain_name(run_type &run)
{
    run.run_name.iterations.clear();
    run.run_name.time_type.clear();
}

class file_reporter : public benchmark::JSONReporter
{
public:
    void ReportRuns(const std::vector<run_type> &runs) override
    {
        std::vector<run_type> renamed(runs);
        for (run_type &run : renamed) plain_name(run);
        benchmark::JSONReporter::ReportRuns(renamed);
    }
};

double counter(const run_type &run, const char *name)
{
    benchmark::UserCounters::const_iterator found = run.counters.find(name);
    return found == run.counters.end() ? 0 : found->second.value;
}

double median(std::vector<double> v)
{
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : (v[(v.size() - 1) / 2] + v[v.size() / 2]) / 2;
}

class console_reporter : public benchmark::BenchmarkReporter
{
    std::size_t done = 0;
    std::string printed;

public:
    int wrong = 0;

    bool ReportContext(const Context &) override
    {
        std::printf("[done/all] %-58s %12s %7s %8s %7s\n", "", "median us", "spread", "GB/s",
                    "limit");
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        std::vector<double> ns, limit;
        double bytes = 0;
        Run first = runs.front();
        plain_name(first);
        if (first.run_name.str() == printed) return; // the aggregates follow their runs
        printed = first.run_name.str();
        for (const Run &run : runs) {
            if (run.run_type != Run::RT_Iteration && run.aggregate_name != "median") continue;
            if (run.error_occurred) first.error_message = run.error_message;
            if (run.error_occurred) first.error_occurred = true;
            ns.push_back(run.GetAdjustedRealTime() *
                         (1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit)));
            limit.push_back(1e9 * counter(run, "limit"));
            bytes = counter(run, "bytes");
        }
        std::printf("[%4zu/%zu] %-60s", ++done, rows.size(), printed.c_str());
        if (first.error_occurred) {
            ++wrong;
            std::printf(" WRONG: %s\n", first.error_message.c_str());
        } else {
            const double m = median(ns);
            const double spread = *std::max_element(ns.begin(), ns.end()) -
                                  *std::min_element(ns.begin(), ns.end());
            std::printf(" %12.3f %6.1f%% %8.1f", m / 1e3, 100 * spread / m, bytes / m);
            if (median(limit) > 0) std::printf(" %6.1f%%", 100 * median(limit) / m);
            std::printf("\n");
        }
        std::fflush(stdout);
    }
};

} // namespace

// ---- The interface ------------------------------------------------------------------------------

const char *shim_init(int *argc, char ***argv)
{
    static std::string filter;
    arguments.assign(*argv, *argv + *argc);
    arguments.insert(arguments.begin() + 1, {"--benchmark_min_time=" SHIM_MIN_TIME,
                                             "--benchmark_repetitions=" SHIM_REPETITIONS});
    for (const std::string &a : arguments) {
        if (!a.compare(0, 16, "--benchmark_out=")) has_output = a.size() > 16;
        if (!a.compare(0, 23, "--benchmark_out_format=")) json_output = a.substr(23) == "json";
        if (!a.compare(0, 22, "--benchmark_list_tests")) list_only = a.find("false") == a.npos;
    }
    for (std::string &a : arguments) pointers.push_back(&a[0]);
    *argc = static_cast<int>(pointers.size());
    *argv = pointers.data();
    benchmark::Initialize(argc, *argv);
    filter = benchmark::GetBenchmarkFilter();
    return filter.c_str();
}

void shim_context(const char *key, const char *value)
{
    benchmark::AddCustomContext(key, value);
}

int shim_add(const shim_row *row, const char *filter)
{
    const bool without = *filter == '-';
    if (*filter) {
        static regex_t regex;
        static std::string compiled;
        if (compiled != filter) {
            if (regcomp(&regex, filter + without, REG_EXTENDED | REG_NOSUB)) return -1;
            compiled = filter;
        }
        if ((regexec(&regex, row->name, 0, NULL, 0) == 0) == without) return 0;
    }
    rows.push_back(row);
    return 1;
}

void shim_number(shim_state *s, const char *name, double value)
{
    s->state->counters[name] = value;
}

int shim_run(void)
{
    console_reporter console;
    file_reporter file;
    for (const shim_row *row : rows) {
        if (list_only) {
            std::puts(row->name);
            continue;
        }
        benchmark::internal::Benchmark *b =
            benchmark::RegisterBenchmark(row->name, [row](benchmark::State &s) { body(s, row); });
        if (row->before)
            b->UseManualTime()->Iterations(SHIM_COLD_CALLS);
        else
            b->UseRealTime();
    }
    if (list_only) return 0;
    benchmark::RunSpecifiedBenchmarks(&console, has_output && json_output ? &file : NULL, ".");
    return console.wrong;
}
