// Package worker is what the programs under cmd/ have in common: the streams to the parent, the memory limit, the end.
package worker

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"fleetloop.dev/engine/internal/rpc"
)

// ExitMemory tells the parent that the memory limit was passed. Its client knows the number.
const ExitMemory = 70

// Main serves verbs on standard input and output until the input ends.
func Main(verbs map[string]rpc.Handler) {
	memory := flag.Int64("memory", 512, "memory limit in MiB: past it the process ends itself")
	parallel := flag.Int("parallel", 4*runtime.GOMAXPROCS(0), "verbs that run at a time: more than cores, so that slow ones do not bar the rest")
	network := flag.Bool("network", false, "let verbs use the network")
	flag.Parse()

	// Libraries print to standard output; there it would break the frames.
	out := os.Stdout
	os.Stdout = os.Stderr
	log.SetFlags(0)

	setTransport(*network)
	server := rpc.NewServer(verbs, *parallel, out)
	limitMemory(uint64(*memory)<<20, server.Busy)
	if err := server.Serve(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// limitMemory makes the collector work harder near the limit, ends the process past it, and lets the kernel refuse
// memory at twice the limit, for an allocation that outruns the watch.
func limitMemory(limit uint64, busy func()) {
	debug.SetMemoryLimit(int64(limit - limit/8))
	hard := syscall.Rlimit{Cur: 2 * limit, Max: 2 * limit}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &hard); err != nil {
		fmt.Fprintln(os.Stderr, "engine: no hard memory limit:", err)
	}
	go watchMemory(limit, busy) // lives as long as the process
}

func watchMemory(limit uint64, busy func()) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	for {
		busy()
		time.Sleep(20 * time.Millisecond)
		metrics.Read(samples)
		if used := samples[0].Value.Uint64() - samples[1].Value.Uint64(); used > limit {
			fmt.Fprintf(os.Stderr, "engine: memory limit of %d MiB passed\n", limit>>20)
			os.Exit(ExitMemory)
		}
	}
}
