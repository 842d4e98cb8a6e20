package activity

import (
	"math"
	"slices"
	"strconv"
)

// A Verb is what happened to the object of an event.
type Verb string

// The verbs of the original Thalassa come first: its clients know them.
const (
	Started              Verb = "started"              // the agent
	Online               Verb = "online"               // an instance of a service appeared
	Offline              Verb = "offline"              // an instance of a service went away
	HAProxyConfigChanged Verb = "haproxyConfigChanged" // HAProxy runs another configuration
	HAProxyRestarted     Verb = "haproxyRestarted"     // HAProxy was started again after it had exited

	Stopped               Verb = "stopped"              // the agent; HAProxy keeps running
	HAProxyStarted        Verb = "haproxyStarted"       // by the agent
	HAProxyAdopted        Verb = "haproxyAdopted"       // the agent found it running with the right configuration
	HAProxyExited         Verb = "haproxyExited"        // unexpectedly
	HAProxyReloaded       Verb = "haproxyReloaded"      // a new worker has started
	HAProxyReloadFailed   Verb = "haproxyReloadFailed"  // the previous configuration keeps running
	ReloadsSlowed         Verb = "reloadsSlowed"        // old workers cost too much memory, or are close to a limit
	ConfigurationWaiting  Verb = "configurationWaiting" // for Consul, the store or whoever starts HAProxy
	ServersRepaired       Verb = "serversRepaired"      // another program had changed the running HAProxy
	ControlPathLost       Verb = "controlPathLost"      // a socket of HAProxy no longer leads to it
	ControlPathRegained   Verb = "controlPathRegained"  // all sockets lead to HAProxy again
	BackendSwitched       Verb = "backendSwitched"      // to another version or service
	ConfigurationChanged  Verb = "configurationChanged"
	ConfigurationReverted Verb = "configurationReverted" // HAProxy refused it
	TemplateChanged       Verb = "templateChanged"
	TemplateRefused       Verb = "templateRefused"
	SettingsChanged       Verb = "settingsChanged"    // a signal had them read again
	SettingsRefused       Verb = "settingsRefused"    // the former ones stay in use
	DiscoveryStale        Verb = "discoveryStale"     // Consul no longer confirms a service
	DiscoveryRecovered    Verb = "discoveryRecovered" // it does again
	MembersHeld           Verb = "membersHeld"        // too many instances are missing in Consul; they stay in use
	MembersReleased       Verb = "membersReleased"    // a hold ended
	MembersLeftOut        Verb = "membersLeftOut"     // because their addresses administer this node
	MemberUp              Verb = "memberUp"           // HAProxy sends requests to it again
	MemberDown            Verb = "memberDown"         // HAProxy's checks find it down
	MemberDrain           Verb = "memberDrain"        // HAProxy sends it only requests of existing sessions
	MemberSet             Verb = "memberSet"          // an operator asked for its state or weight, or that ended
	Imported              Verb = "imported"           // from a persistence file
	ConnectionsRefused    Verb = "connectionsRefused" // to the API, because there were too many
	StoreDamaged          Verb = "storeDamaged"       // a damaged store was set aside
	ClusterChanged        Verb = "clusterChanged"     // an action on the Pacemaker cluster ended

	CanaryStarted     Verb = "canaryStarted"     // the first step is in effect
	CanaryPaused      Verb = "canaryPaused"      // it stays at its step
	CanaryResumed     Verb = "canaryResumed"     // it goes on
	CanaryInterrupted Verb = "canaryInterrupted" // somebody asked it to go back
	CanaryFinished    Verb = "canaryFinished"    // somebody asked for all requests at once
	CanaryDone        Verb = "canaryDone"        // the version has all requests
	CanaryWentBack    Verb = "canaryWentBack"    // the former versions have all requests again
	CanarySuperseded  Verb = "canarySuperseded"  // another change of the backend ended it
	CanaryStuck       Verb = "canaryStuck"       // it could not go back

	// Of certificates: the object is {"certificate/KEY", "certificate", KEY}. Reasons has
	// sentences, such as when it expires or when the next attempt is. A renewal has in Diff
	// "serial A → B", a failed one its cause in Error.
	CertificateExpiring      Verb = "certificateExpiring"      // soon, or it has expired; once for each threshold
	CertificateRenewed       Verb = "certificateRenewed"       // the new one is stored, and HAProxy is given it
	CertificateRenewalFailed Verb = "certificateRenewalFailed" // the former one stays in use
)

// An Object is what an event is about.
type Object struct {
	ID   string `json:"id"`            // e.g. "backend/live"
	Type string `json:"type"`          // e.g. "backend"
	Key  string `json:"key,omitempty"` // e.g. "live"
}

// An Event is one thing that happened. Its JSON is the original's
// {type, time, verb, object} with fields added.
type Event struct {
	// Seq orders events; it grows by one with each and survives a restart.
	Seq  uint64 `json:"seq"`
	Type string `json:"type"` // always "activity"
	Time int64  `json:"time"` // milliseconds since the epoch
	Verb Verb   `json:"verb"`

	Object Object `json:"object"`
	// Cause is why it happened, e.g. "PUT /backends/live" or "consul index 812".
	Cause string `json:"cause,omitempty"`
	// Author is who requested it; empty: nobody.
	Author string `json:"author,omitempty"`
	// Message is what for, in the author's words.
	Message string `json:"message,omitempty"`
	// Reasons of the way it was done, e.g. of a reload.
	Reasons []string `json:"reasons,omitempty"`
	// Diff of the configuration, line by line.
	Diff []string `json:"diff,omitempty"`
	// DurationMS is the duration in milliseconds with fraction.
	DurationMS float64 `json:"durationMs,omitempty"`
	// PropagationMS is the time from the cause (Consul's
	// answer, the request) until the change was in effect, in milliseconds.
	PropagationMS float64 `json:"propagationMs,omitempty"`
	// Error says why it failed, in one or more lines.
	Error string `json:"error,omitempty"`
	// Revision of the intent that it belongs to.
	Revision uint64 `json:"revision,omitempty"`
	// Path taken by a change: "runtime" or "reload".
	Path string `json:"path,omitempty"`
}

// maxText bounds the Reasons and the Diff of one event, in bytes each, so that
// ten thousand stored events stay a file of reasonable size.
const maxText = 64 << 10

// Size is about how many bytes the event takes, in memory and as JSON.
func (e Event) Size() int {
	const fixed = 300 // the other fields with their names
	size := fixed + len(e.Object.ID) + len(e.Object.Key) + len(e.Cause) + len(e.Author) + len(e.Message) + len(e.Error)
	for _, lines := range [][]string{e.Reasons, e.Diff} {
		for _, line := range lines {
			size += len(line) + len(`"",`)
		}
	}
	return size
}

// normalized is the event as it is logged: independent of the caller's slices,
// bounded, and without values that JSON does not have.
func (e Event) normalized() Event {
	e.Type = "activity"
	e.Reasons = bounded(e.Reasons)
	e.Diff = bounded(e.Diff)
	if len(e.Error) > maxText {
		e.Error = e.Error[:maxText] + "…"
	}
	if math.IsNaN(e.DurationMS) || math.IsInf(e.DurationMS, 0) {
		e.DurationMS = 0
	}
	return e
}

// bounded copies lines up to maxText bytes, and adds the number of further lines.
func bounded(lines []string) []string {
	size := 0
	for i, line := range lines {
		if size += len(line) + 1; size > maxText {
			return append(slices.Clone(lines[:i]), "… "+strconv.Itoa(len(lines)-i)+" more lines")
		}
	}
	return slices.Clone(lines)
}
