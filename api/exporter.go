package api

import (
	"io"
	"strconv"
	"strings"

	"thalassa/stats"
)

// A family is one metric of HAProxy, for some kinds of objects. The names are
// those of HAProxy's own exporter without the kind (haproxy_frontend_…,
// haproxy_backend_…, haproxy_server_…).
type family struct {
	name, help string
	counter    bool
	kinds      []stats.Kind
	// write adds the samples of an object: a value and further labels.
	write func(s *stats.Series, sample func(v float64, labels ...string))
}

// writeHAProxyMetrics writes the statistics of the sampler in Prometheus' text format,
// one family at a time, so that only one is in memory. sees says which objects the reader
// may know, who gets nothing of the process then; nil: all.
func writeHAProxyMetrics(w io.Writer, sampler *stats.Sampler, sees func(*stats.Series) bool) error {
	var buf []byte
	for _, f := range families() {
		for _, kind := range f.kinds {
			buf = f.append(buf[:0], kind, sampler, sees)
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	if sees != nil {
		return nil
	}
	_, err := w.Write(appendProcess(buf[:0], sampler))
	return err
}

func (f family) append(dst []byte, kind stats.Kind, sampler *stats.Sampler, sees func(*stats.Series) bool) []byte {
	name := "haproxy_" + kind.String() + "_" + f.name
	dst = appendHeading(dst, name, f.help, f.counter)
	sampler.Visit(func(s *stats.Series) {
		if s.Kind != kind || sees != nil && !sees(s) {
			return
		}
		f.write(s, func(v float64, labels ...string) {
			dst = append(dst, name...)
			dst = appendLabel(dst, `{proxy="`, s.Key)
			if kind == stats.Member {
				dst = appendLabel(dst, `,server="`, s.Address)
				if s.Version != "" {
					dst = appendLabel(dst, `,version="`, s.Version)
				}
			}
			for i := 0; i+1 < len(labels); i += 2 {
				dst = append(dst, ',')
				dst = append(dst, labels[i]...)
				dst = appendLabel(dst, `="`, labels[i+1])
			}
			dst = append(dst, "} "...)
			dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
			dst = append(dst, '\n')
		})
	})
	return dst
}

func appendHeading(dst []byte, name, help string, counter bool) []byte {
	kind := "gauge"
	if counter {
		kind = "counter"
	}
	return append(dst, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
}

// appendLabel writes before and then the value of a label.
func appendLabel(dst []byte, before, value string) []byte {
	dst = append(dst, before...)
	if strings.ContainsAny(value, "\\\"\n") {
		value = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value)
	}
	dst = append(dst, value...)
	return append(dst, '"')
}

// appendProcess writes the metrics of the HAProxy process.
func appendProcess(dst []byte, sampler *stats.Sampler) []byte {
	info := sampler.Info()
	for _, p := range []struct {
		name, help string
		counter    bool
		v          float64
	}{
		{"nbthread", "Number of threads.", false, float64(info.Threads)},
		{"uptime_seconds", "Time since the present worker was started.", false, info.Uptime.Seconds()},
		{"max_connections", "Maximum number of concurrent connections.", false, float64(info.MaxConn)},
		{"current_connections", "Current connections.", false, float64(info.CurrConns)},
		{"connections_total", "Connections since the present worker was started.", true, float64(info.CumConns)},
		{"requests_total", "Requests since the present worker was started.", true, float64(info.CumReq)},
		{"current_connection_rate", "Connections in the last second.", false, float64(info.ConnRate)},
		{"current_session_rate", "Sessions in the last second.", false, float64(info.SessRate)},
		{"idle_time_percent", "Percentage of the last second for which HAProxy was idle.", false, float64(info.IdlePercent)},
	} {
		dst = appendHeading(dst, "haproxy_process_"+p.name, p.help, p.counter)
		if info.PID > 0 {
			dst = append(dst, "haproxy_process_"+p.name+" "...)
			dst = strconv.AppendFloat(dst, p.v, 'g', -1, 64)
			dst = append(dst, '\n')
		}
	}
	dst = appendHeading(dst, "haproxy_process_build_info", "HAProxy's version; the value is always 1.", false)
	if info.PID > 0 {
		dst = append(dst, "haproxy_process_build_info"...)
		dst = append(appendLabel(dst, `{version="`, info.Version), "} 1\n"...)
	}
	return dst
}

// families are all metrics of frontends, backends and servers.
func families() []family {
	const f, b, s = stats.Frontend, stats.Backend, stats.Member
	all, behind := []stats.Kind{f, b, s}, []stats.Kind{b, s}
	counter := func(name, help string, kinds []stats.Kind, c stats.Counter) family {
		return family{name, help, true, kinds, func(s *stats.Series, sample func(float64, ...string)) { sample(float64(s.Total[c])) }}
	}
	gauge := func(name, help string, kinds []stats.Kind, value func(g *stats.Gauges) float64) family {
		return family{name, help, false, kinds, func(s *stats.Series, sample func(float64, ...string)) { sample(value(&s.Gauges)) }}
	}
	seconds := func(name, help string, value func(g *stats.Gauges) int32) family {
		return gauge(name, help, behind, func(g *stats.Gauges) float64 { return float64(value(g)) / 1000 })
	}
	return []family{
		{"status", "Current status, per state label value.", false, all, writeStatus},
		gauge("current_sessions", "Current sessions.", all, func(g *stats.Gauges) float64 { return float64(g.Connections) }),
		gauge("max_sessions", "Maximum of current sessions.", all, func(g *stats.Gauges) float64 { return float64(g.MaxConnections) }),
		gauge("limit_sessions", "Configured limit of sessions; 0: no limit.", all, func(g *stats.Gauges) float64 { return float64(g.Limit) }),
		counter("sessions_total", "Sessions since the agent started.", all, stats.Sessions),
		counter("http_requests_total", "HTTP requests since the agent started.", []stats.Kind{f, b}, stats.Requests),
		counter("bytes_in_total", "Bytes of requests since the agent started.", all, stats.BytesIn),
		counter("bytes_out_total", "Bytes of responses since the agent started.", all, stats.BytesOut),
		counter("requests_denied_total", "Requests denied since the agent started.", []stats.Kind{f, b}, stats.DeniedRequests),
		counter("responses_denied_total", "Responses denied since the agent started.", all, stats.DeniedResponses),
		counter("request_errors_total", "Invalid requests since the agent started.", []stats.Kind{f}, stats.RequestErrors),
		counter("connection_errors_total", "Failed connections to servers since the agent started.", behind, stats.ConnectErrors),
		counter("response_errors_total", "Invalid responses since the agent started.", behind, stats.ResponseErrors),
		counter("retry_warnings_total", "Retried connections since the agent started.", behind, stats.Retries),
		counter("redispatch_warnings_total", "Requests redispatched to another server since the agent started.", behind, stats.Redispatches),
		counter("client_aborts_total", "Transfers aborted by clients since the agent started.", behind, stats.ClientAborts),
		counter("server_aborts_total", "Transfers aborted by servers since the agent started.", behind, stats.ServerAborts),
		{"http_responses_total", "HTTP responses since the agent started, by class.", true, all, writeResponses},
		gauge("current_queue", "Current requests in the queue.", behind, func(g *stats.Gauges) float64 { return float64(g.Queue) }),
		gauge("max_queue", "Maximum of requests in the queue.", behind, func(g *stats.Gauges) float64 { return float64(g.MaxQueue) }),
		gauge("weight", "Effective weight; for a backend the sum of its servers.", behind, func(g *stats.Gauges) float64 { return float64(g.Weight) }),
		seconds("queue_time_average_seconds", "Mean time in the queue of the last 1024 requests.", func(g *stats.Gauges) int32 { return g.QueueMS }),
		seconds("connect_time_average_seconds", "Mean connect time of the last 1024 requests.", func(g *stats.Gauges) int32 { return g.ConnectMS }),
		seconds("response_time_average_seconds", "Mean response time of the last 1024 requests.", func(g *stats.Gauges) int32 { return g.ResponseMS }),
		seconds("total_time_average_seconds", "Mean total time of the last 1024 requests.", func(g *stats.Gauges) int32 { return g.TotalMS }),
		gauge("downtime_seconds_total", "Time spent down.", behind, func(g *stats.Gauges) float64 { return g.Downtime.Seconds() }).asCounter(),
		gauge("check_last_change_seconds", "Time since the last change of the status.", behind, func(g *stats.Gauges) float64 { return g.Change.Seconds() }),
		counter("check_up_down_total", "Changes from up to down since the agent started.", behind, stats.CheckDowns),
		counter("check_failures_total", "Failed checks while up since the agent started.", []stats.Kind{s}, stats.CheckFails),
		{"check_status", "Result of the last check; only the current state is shown.", false, []stats.Kind{s}, writeCheck},
		gauge("check_code", "Code of the last check, if any.", []stats.Kind{s}, func(g *stats.Gauges) float64 { return float64(g.CheckCode) }),
		gauge("check_duration_seconds", "Duration of the last check.", []stats.Kind{s}, func(g *stats.Gauges) float64 { return float64(g.CheckMS) / 1000 }),
		gauge("active_servers", "Servers in use.", []stats.Kind{b}, func(g *stats.Gauges) float64 { return float64(g.Active) }),
		gauge("backup_servers", "Backup servers in use.", []stats.Kind{b}, func(g *stats.Gauges) float64 { return float64(g.Backup) }),
	}
}

// asCounter makes a counter of a figure that the agent does not add up itself.
func (f family) asCounter() family {
	f.counter = true
	return f
}

func writeStatus(s *stats.Series, sample func(v float64, labels ...string)) {
	states := []string{"DOWN", "UP"}
	if s.Kind == stats.Member {
		states = append(states, "MAINT", "DRAIN", "NOLB")
	}
	for _, state := range states {
		sample(boolean(stateOf(s.Gauges.Status) == state), "state", state)
	}
}

// stateOf is one of the exporter's states for a status of show stat.
func stateOf(status string) string {
	for _, state := range []string{"UP", "DOWN", "MAINT", "DRAIN", "NOLB"} {
		if strings.HasPrefix(status, state) {
			return state
		}
	}
	switch status {
	case "OPEN", "no check":
		return "UP"
	case stats.Unknown:
		return ""
	}
	return "DOWN" // STOP, or a status of a later version
}

func writeResponses(s *stats.Series, sample func(v float64, labels ...string)) {
	for i, code := range []string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"} {
		sample(float64(s.Total[stats.Responses1xx+stats.Counter(i)]), "code", code)
	}
}

func writeCheck(s *stats.Series, sample func(v float64, labels ...string)) {
	if s.Gauges.CheckStatus != "" {
		sample(1, "state", s.Gauges.CheckStatus)
	}
}
