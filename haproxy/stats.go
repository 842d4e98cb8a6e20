package haproxy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"thalassa/lb"
	"thalassa/statsock"
)

// Stats reads the counters of the servers of a backend, in their order; none while HAProxy
// does not have that backend. A HAProxy that does not run is a *lb.UnavailableError. A
// new worker counts from 0.
func (p *Process) Stats(ctx context.Context, backend lb.Name) ([]lb.ServerStats, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	lines, err := p.runtime.serverLines(ctx, string(backend))
	switch {
	case statsock.NotListening(err):
		return nil, &lb.UnavailableError{What: "statistics are not available: HAProxy is not running"}
	case err != nil:
		return nil, fmt.Errorf("reading the statistics of the running haproxy: %w", err)
	}
	out := make([]lb.ServerStats, len(lines))
	for i, s := range lines {
		out[i] = serverStats(s)
	}
	return out, nil
}

// serverLines reads the servers of a backend by its number. It drops those of another
// backend: a new worker has other numbers.
func (ra *runtimeAPI) serverLines(ctx context.Context, backend string) ([]statsock.Stat, error) {
	backends, err := ra.router.client(ctx).ShowStatOf(ctx, -1, statsock.KindBackend)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(backends, func(s statsock.Stat) bool { return s.Proxy == backend })
	if i < 0 {
		return nil, nil
	}
	lines, err := ra.router.client(ctx).ShowStatOf(ctx, backends[i].ProxyID, statsock.KindServer)
	return slices.DeleteFunc(lines, func(s statsock.Stat) bool { return s.Proxy != backend }), err
}

func serverStats(s statsock.Stat) lb.ServerStats {
	out := lb.ServerStats{
		Server: s.Server, Status: s.Status, Weight: s.Weight, Check: s.CheckStatus,
		Sessions: s.CurrentSessions, Queue: s.CurrentQueue, Requests: s.TotalSessions,
		Responses: lb.Responses{
			Informational: s.Responses[0], Success: s.Responses[1], Redirection: s.Responses[2],
			ClientError: s.Responses[3], ServerError: s.Responses[4], Other: s.Responses[5],
		},
		ConnectErrors: s.ConnectErrors, Redispatches: s.Redispatches, ResponseErrors: s.ResponseErrors,
		ResponseTimeMS: int64(s.ResponseTime / time.Millisecond),
	}
	// A path is not the address of a member.
	if address, err := lb.ParseBind(s.Address); err == nil && address.Host != "" {
		out.Address = lb.HostPort(address)
	}
	return out
}
