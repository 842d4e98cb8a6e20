package main

import (
	"os"
	"os/signal"
	"syscall"
)

// surviveClosedPipes makes writes to a closed standard output or error fail instead of ending the
// program. Unlike an ignored signal, that is not inherited by the programs that are started.
func surviveClosedPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
