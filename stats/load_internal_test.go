package stats

import (
	"errors"
	"testing"
	"time"

	"thalassa/statsock"
)

func TestAWorkerThatWaitsIsNotIdle(t *testing.T) {
	begin := time.Now()
	var occupied time.Duration
	var failure error
	s := New(Config{Occupied: func(int) (time.Duration, error) { return occupied, failure }})
	for i, c := range []struct {
		about                  string
		pid, threads, believes int
		occupied               time.Duration // in the last second
		failure                error
		want                   int
	}{
		{"a first look", 7, 2, 90, 0, nil, 90},
		{"little to do", 7, 2, 90, 100 * time.Millisecond, nil, 90},
		{"no processor", 7, 2, 90, 1600 * time.Millisecond, nil, 20},
		{"more than there is", 7, 2, 90, 3 * time.Second, nil, 0},
		{"busy by its own word", 7, 2, 5, 0, nil, 5},
		{"another worker", 8, 2, 80, 2 * time.Second, nil, 80},
		{"a kernel that does not tell", 8, 2, 70, 0, errors.New("hidden"), 70},
		{"one that tells again", 8, 2, 60, 2 * time.Second, nil, 60},
		{"a HAProxy that does not tell its threads", 8, 0, 60, time.Second, nil, 0},
	} {
		occupied, failure = occupied+c.occupied, c.failure
		s.reader.scanner.Info = statsock.Info{PID: c.pid, Threads: c.threads, IdlePercent: c.believes}
		if got := s.reader.idle(begin.Add(time.Duration(i) * time.Second)); got != c.want {
			t.Errorf("%s: %d percent, want %d", c.about, got, c.want)
		}
	}
}
