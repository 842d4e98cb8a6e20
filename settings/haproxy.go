package settings

import "time"

// haproxySettings say how HAProxy runs and how often it is reloaded.
type haproxySettings struct {
	haproxy       string
	haproxyBinary string
	haproxyUser   string
	haproxyGroup  string
	haproxyLog    string
	haproxyStats  string
	maxconn       int
	maxServers    int
	hardStopAfter time.Duration
	reloadEvery   time.Duration
	reloadBurst   int
	reloadJitter  time.Duration
	stopHAProxy   bool
	sudo          bool
	templateFile  string
	nativesDirs   []string
	allowNatives  string
}

// StopsHAProxy reports whether HAProxy stops with the agent.
func (s *haproxySettings) StopsHAProxy() bool { return s.stopHAProxy }

// StatsPage is the address of HAProxy's own statistics page; empty: none.
func (s *haproxySettings) StatsPage() string { return s.haproxyStats }
