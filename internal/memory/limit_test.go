package memory_test

import (
	"testing"
	"testing/fstest"

	"thalassa/internal/memory"
)

func TestLimit(t *testing.T) {
	const machine = 8 << 30
	tests := []struct {
		name  string
		files map[string]string
		limit uint64 // of the machine and its groups
		group uint64
	}{
		{"no group", nil, machine, 0},
		{"version 2", map[string]string{
			"proc/self/cgroup":                                        "0::/system.slice/thalassa.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                   "max\n",
			"sys/fs/cgroup/system.slice/thalassa.service/memory.max":  "314572800\n",
			"sys/fs/cgroup/system.slice/thalassa.service/memory.high": "max\n",
		}, 314572800, 314572800},
		{"version 2, high is less", map[string]string{
			"proc/self/cgroup":            "0::/a\n",
			"sys/fs/cgroup/a/memory.max":  "314572800\n",
			"sys/fs/cgroup/a/memory.high": "209715200\n",
		}, 209715200, 209715200},
		{"version 2, a group above has less", map[string]string{
			"proc/self/cgroup":             "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max":   "1000000\n",
			"sys/fs/cgroup/a/b/memory.max": "2000000\n",
		}, 1000000, 1000000},
		{"version 2, as the root of a container", map[string]string{
			"proc/self/cgroup":         "0::/../../pod7/c1\n",
			"sys/fs/cgroup/memory.max": "104857600\n",
		}, 104857600, 104857600},
		{"version 1", map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes":      "314572800\n",
			"sys/fs/cgroup/memory/docker/abc/memory.soft_limit_in_bytes": "9223372036854771712\n",
		}, 314572800, 314572800},
		{"version 1, no limit", map[string]string{
			"proc/self/cgroup": "4:memory:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
		}, machine, 0},
		{"more than the machine has", map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "99999999999\n",
		}, machine, 99999999999},
		{"unreadable numbers", map[string]string{
			"proc/self/cgroup":           "0::/a\nnonsense\n",
			"sys/fs/cgroup/a/memory.max": "-1\n",
		}, machine, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:        8388608 kB\nMemFree: 1 kB\n")}}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := memory.LimitIn(root); got != test.limit {
				t.Errorf("limit %d, want %d", got, test.limit)
			}
			if got := memory.GroupLimitIn(root); got != test.group {
				t.Errorf("limit of the groups %d, want %d", got, test.group)
			}
		})
	}
	if memory.LimitIn(fstest.MapFS{}) != 0 {
		t.Error("a machine that says nothing has a limit")
	}
}
