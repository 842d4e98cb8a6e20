package testkit_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"thalassa/internal/testkit"
)

// A program that has just been written can be executed, while others are written and started.
func TestWrittenProgramsCanBeExecuted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				path := filepath.Join(dir, strconv.Itoa(i)+"-"+strconv.Itoa(j))
				if err := testkit.WriteProgram(path, []byte("#!/bin/sh\nexit 0\n")); err != nil {
					t.Error(err)
					return
				}
				if err := exec.CommandContext(t.Context(), path).Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
