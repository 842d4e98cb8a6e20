package cluster_test

import (
	"errors"
	"testing"
	"time"

	"thalassa/internal/testkit/cluster"
)

func TestOutage(t *testing.T) {
	const ms = time.Millisecond
	start := time.Now()
	probe := func(begun, ended time.Duration, err error) cluster.Probe {
		return cluster.Probe{Begun: start.Add(begun), Ended: start.Add(ended), Err: err}
	}
	silent, refused := errors.New("no answer in time"), errors.New("connection refused")
	for _, c := range []struct {
		name   string
		probes cluster.Report
		want   time.Duration
	}{
		{"none", nil, 0},
		{"all answered", cluster.Report{probe(0, 1*ms, nil), probe(10*ms, 15*ms, nil)}, 0},
		{
			"the patience of a client is not the service's", cluster.Report{
				probe(0, 1*ms, nil), probe(10*ms, 510*ms, silent), probe(20*ms, 520*ms, silent), probe(30*ms, 31*ms, nil), probe(40*ms, 41*ms, nil),
			}, 21 * ms,
		},
		{"refused at once", cluster.Report{probe(0, 1*ms, refused), probe(10*ms, 11*ms, refused), probe(20*ms, 21*ms, nil)}, 21 * ms},
		{
			"the longest of two", cluster.Report{
				probe(0, 1*ms, refused), probe(10*ms, 11*ms, nil), probe(20*ms, 21*ms, refused), probe(30*ms, 31*ms, refused), probe(40*ms, 42*ms, nil),
			}, 22 * ms,
		},
		{"not over yet", cluster.Report{probe(0, 1*ms, nil), probe(10*ms, 510*ms, silent), probe(20*ms, 520*ms, silent)}, 510 * ms},
	} {
		if got := c.probes.Outage(); got != c.want {
			t.Errorf("%s: %s, expected %s", c.name, got, c.want)
		}
	}
}
