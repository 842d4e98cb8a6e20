package main

import (
	"os"
	"os/signal"
	"syscall"
)

// surviveClosedPipes has a write to a closed standard output or error fail, which ends
// the program otherwise. Unlike an ignored signal, that is not inherited by the programs
// that are started.
func surviveClosedPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
