package dev_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"thalassa/dev"
)

// TestMain makes this executable a program that starts Consul, prints its pid
// and lingers, when it is told to by its environment.
func TestMain(m *testing.M) {
	binary := os.Getenv("DEV_TEST_PARENT")
	if binary == "" {
		os.Exit(m.Run())
	}
	c, err := dev.StartConsul(context.Background(), dev.ConsulConfig{Binary: binary})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(c.PID())
	<-c.Exited()
}

type parent struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func startParent(t *testing.T) *parent {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DEV_TEST_PARENT="+binary(t))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &parent{cmd, bufio.NewReader(out)}
	t.Cleanup(func() { p.kill(t) })
	return p
}

func (p *parent) consulPID(t *testing.T) int {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func (p *parent) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill() // may be gone already
	_ = p.cmd.Wait()         // killed, as intended
}

// alive is false for a process that is gone or waits to be reaped by whoever
// inherited it.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
