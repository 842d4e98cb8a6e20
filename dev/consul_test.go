package dev_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/dev"
	"thalassa/internal/testkit"
)

func binary(t *testing.T) string {
	t.Helper()
	testkit.Needs(t, "Consul")
	path, err := dev.FindConsul(os.Getenv("THALASSA_CONSUL"))
	if err != nil {
		testkit.Missing(t, err.Error())
	}
	return path
}

func start(t *testing.T, cfg dev.ConsulConfig) *dev.Consul {
	t.Helper()
	cfg.Binary, cfg.Logger = binary(t), testkit.Logger(t)
	c, err := dev.StartConsul(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

func TestConsulServesAndStops(t *testing.T) {
	t.Parallel()
	first, second := start(t, dev.ConsulConfig{}), start(t, dev.ConsulConfig{HCL: []string{`datacenter = "east"`}})
	if first.Address() == second.Address() {
		t.Fatalf("both have %s", first.Address())
	}
	if body := get(t, "http://"+second.Address()+"/v1/catalog/datacenters"); !strings.Contains(body, "east") {
		t.Errorf("datacenters = %s, want the one of the fragment", body)
	}
	for range 2 { // again is no error
		if err := first.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := net.Dial("tcp", first.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing a stopped consul: %v, want connection refused", err)
	}
	get(t, "http://"+second.Address()+"/v1/status/leader") // the other one runs on
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return string(body)
}

func TestConsulTakesThePortItIsGiven(t *testing.T) {
	t.Parallel()
	port := testkit.Port(t)
	c := start(t, dev.ConsulConfig{HTTPPort: port})
	if want := "127.0.0.1:" + strconv.Itoa(port); c.Address() != want {
		t.Errorf("Address() = %s, want %s", c.Address(), want)
	}
	select {
	case <-c.Exited():
		t.Error("exited without having been stopped")
	default:
	}
}

// A durable one knows after a crash what is no agent's registration, too.
func TestDurableConsulKeepsItsState(t *testing.T) {
	t.Parallel()
	cfg := dev.ConsulConfig{DataDir: t.TempDir(), Durable: true, HTTPPort: testkit.Port(t), ServerPort: testkit.Port(t)}
	c := start(t, cfg)
	request, err := http.NewRequest(http.MethodPut, "http://"+c.Address()+"/v1/kv/kept", strings.NewReader("for good"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	c.Kill()
	address := start(t, cfg).Address()
	testkit.Eventually(t, time.Minute, func() error { // it reads its log after it has elected itself
		resp, err := http.Get("http://" + address + "/v1/kv/kept?raw")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "for good" {
			return fmt.Errorf("after the restart it answers %s %q, %w", resp.Status, body, err)
		}
		return nil
	})
}

func TestConsulThatCannotStart(t *testing.T) {
	t.Parallel()
	t.Run("refused configuration", func(t *testing.T) {
		var out strings.Builder
		_, err := dev.StartConsul(t.Context(), dev.ConsulConfig{Binary: binary(t), HCL: []string{"nonsense = 1"}, Stdout: &out})
		if err == nil || !strings.Contains(out.String(), "nonsense") {
			t.Errorf("err = %v, output %q, want an error and consul's own words", err, out.String())
		}
	})
	t.Run("no executable", func(t *testing.T) {
		_, err := dev.StartConsul(t.Context(), dev.ConsulConfig{Binary: filepath.Join(t.TempDir(), "consul")})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("err = %v, want that the file does not exist", err)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := dev.StartConsul(ctx, dev.ConsulConfig{Binary: binary(t)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the deadline", err)
		}
	})
}

// The test's own executable plays a program that starts Consul and is killed.
func TestConsulDoesNotOutliveItsParent(t *testing.T) {
	t.Parallel()
	parent := startParent(t)
	pid := parent.consulPID(t)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("consul %d: %v", pid, err)
	}
	parent.kill(t)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-deadline:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("consul %d outlived the program that started it", pid)
		case <-tick.C:
		}
	}
}

func TestFindConsul(t *testing.T) {
	dir := t.TempDir()
	executable := func(path string) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := testkit.WriteProgram(path, []byte("#!/bin/sh\n")); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))

	if got, err := dev.FindConsul(""); err == nil {
		t.Errorf("found %s where there is none", got)
	}
	cached := executable("cache/thalassa/consul")
	if got, err := dev.FindConsul(""); got != cached || err != nil {
		t.Errorf("FindConsul = %s, %v, want %s", got, err, cached)
	}
	onPath := executable("bin/consul")
	if got, err := dev.FindConsul(""); got != onPath || err != nil {
		t.Errorf("FindConsul = %s, %v, want %s", got, err, onPath)
	}
	explicit := executable("my-consul")
	if got, err := dev.FindConsul(explicit); got != explicit || err != nil {
		t.Errorf("FindConsul = %s, %v, want %s", got, err, explicit)
	}
	if got, err := dev.FindConsul(filepath.Join(dir, "gone")); err == nil {
		t.Errorf("found %s instead of failing over the path that was asked for", got)
	}
}
