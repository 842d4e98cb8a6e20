package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/agent"
	"thalassa/lb"
)

// archive keeps texts in memory.
type archive struct {
	mu    sync.Mutex
	list  []lb.Recorded // oldest first
	texts []string
	full  error
	torn  error // of the newest entry
}

func (a *archive) RecordConfig(_ context.Context, r lb.Recorded, text []byte) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full != nil {
		return 0, a.full
	}
	r.Number = uint64(len(a.list) + 1)
	a.list, a.texts = append(a.list, r), append(a.texts, string(text))
	return r.Number, nil
}

func (a *archive) Configs(context.Context, uint64, int) ([]lb.Recorded, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 || a.torn != nil {
		return nil, errors.Join(a.full, a.torn)
	}
	return a.list[len(a.list)-1:], a.full
}

// summary is what was recorded of each text: revision, path, cause and author.
func (a *archive) summary() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, r := range a.list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", r.Revision, r.Path, r.Cause, r.Author)))
	}
	return strings.Join(out, "; ")
}

func TestTextsInEffectAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, a := newFixture(t), &archive{}
		fx.archive = a
		fx.consul("shop", 1, "", "1.0.0 81", "2.0.0 82")
		stop := fx.start()
		settled := func() string {
			pause(t.Context(), 2*time.Second)
			synctest.Wait()
			return a.summary()
		}
		settled()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		want := "0 reload start of the agent; 1 reload PUT /backends/b ann"
		if got := settled(); got != want {
			t.Fatalf("after a change: %s, want %s", got, want)
		}
		if last := a.texts[1]; last != fx.file || !strings.Contains(last, "127.0.0.1:81") {
			t.Errorf("recorded was\n%s\nand not the file on disk\n%s", last, fx.file)
		}
		fx.consul("shop", 2, "", "1.0.0 81", "1.0.0 83", "2.0.0 82")
		fx.serves("81", "83")
		if got := settled(); got != want {
			t.Errorf("a member that came is a text of its own: %s", got)
		}
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "2.0.0", Origin: lb.Origin{Author: "bob", Cause: "POST /backends/b"}}); err != nil {
			t.Fatal(err)
		}
		want += "; 2 runtime POST /backends/b bob"
		if got := settled(); got != want {
			t.Errorf("after a switch: %s, want %s", got, want)
		}
		stop()
		fx.run()
		if got := settled(); got != want {
			t.Errorf("the next agent records what it finds again: %s", got)
		}
	})
}

// changing has an agent take a change for which it needs no archive.
func changing(t *testing.T, a *archive) {
	t.Helper()
	fx := newFixture(t)
	fx.archive = a
	fx.run()
	if applied, err := fx.putNative("x", "option httplog"); err != nil || !applied.Applied {
		t.Fatalf("a change: %+v, %v", applied, err)
	}
}

// An archive that fails holds nothing up and is tried again.
func TestAFullArchiveDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &archive{full: errors.New("no space left on device")}
		changing(t, a)
		pause(t.Context(), 5*time.Second)
		a.mu.Lock()
		a.full = nil
		a.mu.Unlock()
		pause(t.Context(), time.Minute)
		synctest.Wait()
		if got := a.summary(); got != "0 reload start of the agent; 1 reload" {
			t.Errorf("with room again there is %q", got)
		}
	})
}

// A damaged entry is no reason not to record what comes after it.
func TestADamagedArchiveIsWrittenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &archive{torn: errors.New("the checksum of configs/1 does not hold")}
		changing(t, a)
		pause(t.Context(), time.Minute)
		synctest.Wait()
		if got := a.summary(); got != "0 reload start of the agent; 1 reload" {
			t.Errorf("there is %q", got)
		}
	})
}

var _ agent.Archive = (*archive)(nil)
