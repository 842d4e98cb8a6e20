package statsock_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

const patience = 20 * time.Second

// TestRealHAProxy asks everything of every release at hand.
func TestRealHAProxy(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			address := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{Description: "thalassa abc", Address: address, Answer: "hello"})
			client, master := statsock.New(h.StatsSocket), statsock.NewMaster(h.MasterSocket)
			testkit.Eventually(t, patience, func() error { _, err := client.ShowInfo(t.Context()); return err })
			testkit.Eventually(t, patience, func() error { _, err := master.ShowProc(t.Context()); return err })

			procs, err := master.ShowProc(t.Context())
			if err != nil || procs.Master.PID == 0 || len(procs.Workers) != 1 || len(procs.OldWorkers) != 0 || procs.Failed != 0 {
				t.Fatalf("show proc: %+v, %v", procs, err)
			}
			info, err := client.ShowInfo(t.Context())
			if err != nil || info.Version != binary.Version || info.PID != procs.Workers[0].PID || info.Description != "thalassa abc" {
				t.Errorf("show info: %+v, %v", info, err)
			}
			again, err := master.Worker(info.PID).ShowInfo(t.Context())
			if err != nil || again.PID != info.PID {
				t.Errorf("show info through the master: %+v, %v", again, err)
			}
			if _, err := master.Worker(1).ShowInfo(t.Context()); err == nil {
				t.Error("a process that is no worker answered")
			}
			checkStats(t, client, address)
			checkCommands(t, client)
			checkReload(t, master, client, info.PID)
		})
	}
}

func checkStats(t *testing.T, client *statsock.Client, address string) {
	t.Helper()
	res, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || string(body) != "hello" {
		t.Fatalf("got %q, %v", body, err)
	}
	testkit.Eventually(t, patience, func() error { // the client has its answer a moment before it counts
		stats, err := client.ShowStat(t.Context())
		if err != nil || len(stats) != 1 {
			return fmt.Errorf("show stat: %+v, %w", stats, err)
		}
		web := stats[0]
		if web.Proxy != "web" || web.Server != "FRONTEND" || web.Kind != statsock.KindFrontend || web.TotalSessions != 1 || web.Responses[1] != 1 {
			return fmt.Errorf("show stat: %+v", web)
		}
		return nil
	})
}

func checkCommands(t *testing.T, client *statsock.Client) {
	t.Helper()
	for command, want := range map[string]string{
		"set maxconn frontend web 100":        "",
		"disable frontend nothing":            "No such frontend.",
		"no such command":                     "Unknown command",
		"set maxconn frontend web 50; show x": "Unknown command",
	} {
		got, err := client.Do(t.Context(), command)
		if err != nil || !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q gave %q, %v", command, got, err)
		}
	}
	// Beyond its buffer HAProxy falls silent; that must not pass for an answer.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got, err := client.Do(ctx, "show info"+strings.Repeat(" ", 40_000)); err == nil {
		t.Errorf("an oversized line gave %q without an error", got)
	}
}

func checkReload(t *testing.T, master *statsock.Master, client *statsock.Client, before int) {
	t.Helper()
	reply, err := master.Reload(t.Context())
	if err != nil || reply.Conclusive && !reply.Success {
		t.Fatalf("reload: %+v, %v", reply, err)
	}
	testkit.Eventually(t, patience, func() error {
		procs, err := master.ShowProc(t.Context())
		if err != nil {
			return err
		}
		if procs.Master.Reloads != 1 || len(procs.Workers) != 1 || procs.Workers[0].PID == before {
			return fmt.Errorf("%+v is not a new worker", procs)
		}
		info, err := client.ShowInfo(t.Context())
		if err == nil && info.PID != procs.Workers[0].PID {
			err = fmt.Errorf("worker %d still answers", info.PID)
		}
		return err
	})
}
