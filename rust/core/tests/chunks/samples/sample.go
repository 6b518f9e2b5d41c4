// Package queue holds jobs.
package queue

import (
	"context"
	"sync"
)

const limit = 10

// Job is a unit of work.
type Job struct {
	ID   int
	Name string
}

// Runner runs jobs.
type Runner interface {
	Run(ctx context.Context, job Job) error
}

type (
	// Names are sorted.
	Names []string
	pair  struct {
		a int
		b int
	}
)

type Handler func(Job) error

var names = map[int]string{
	1: "the name of entry number 1",
	2: "the name of entry number 2",
	3: "the name of entry number 3",
	4: "the name of entry number 4",
	5: "the name of entry number 5",
	6: "the name of entry number 6",
	7: "the name of entry number 7",
	8: "the name of entry number 8",
	9: "the name of entry number 9",
	10: "the name of entry number 10",
	11: "the name of entry number 11",
	12: "the name of entry number 12",
	13: "the name of entry number 13",
	14: "the name of entry number 14",
	15: "the name of entry number 15",
	16: "the name of entry number 16",
	17: "the name of entry number 17",
	18: "the name of entry number 18",
	19: "the name of entry number 19",
	20: "the name of entry number 20",
	21: "the name of entry number 21",
	22: "the name of entry number 22",
}

// Queue is safe for concurrent use.
type Queue[T any] struct {
	mu   sync.Mutex
	jobs []T
}

// New makes a queue.
func New() *Queue[Job] {
	return &Queue[Job]{}
}

// Push adds a job.
func (q *Queue[T]) Push(job T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, job)
}

func (j Job) describe() []string {
	var parts []string
	parts = append(parts, j.field(1, "part number 1"))
	parts = append(parts, j.field(2, "part number 2"))
	parts = append(parts, j.field(3, "part number 3"))
	parts = append(parts, j.field(4, "part number 4"))
	parts = append(parts, j.field(5, "part number 5"))
	parts = append(parts, j.field(6, "part number 6"))
	parts = append(parts, j.field(7, "part number 7"))
	parts = append(parts, j.field(8, "part number 8"))
	parts = append(parts, j.field(9, "part number 9"))
	parts = append(parts, j.field(10, "part number 10"))
	parts = append(parts, j.field(11, "part number 11"))
	parts = append(parts, j.field(12, "part number 12"))
	parts = append(parts, j.field(13, "part number 13"))
	parts = append(parts, j.field(14, "part number 14"))
	parts = append(parts, j.field(15, "part number 15"))
	parts = append(parts, j.field(16, "part number 16"))
	parts = append(parts, j.field(17, "part number 17"))
	parts = append(parts, j.field(18, "part number 18"))
	parts = append(parts, j.field(19, "part number 19"))
	parts = append(parts, j.field(20, "part number 20"))
	parts = append(parts, j.field(21, "part number 21"))
	parts = append(parts, j.field(22, "part number 22"))
	parts = append(parts, j.field(23, "part number 23"))
	parts = append(parts, j.field(24, "part number 24"))
	parts = append(parts, j.field(25, "part number 25"))
	parts = append(parts, j.field(26, "part number 26"))
	parts = append(parts, j.field(27, "part number 27"))
	parts = append(parts, j.field(28, "part number 28"))
	parts = append(parts, j.field(29, "part number 29"))
	parts = append(parts, j.field(30, "part number 30"))
	parts = append(parts, j.field(31, "part number 31"))
	parts = append(parts, j.field(32, "part number 32"))
	parts = append(parts, j.field(33, "part number 33"))
	parts = append(parts, j.field(34, "part number 34"))
	parts = append(parts, j.field(35, "part number 35"))
	parts = append(parts, j.field(36, "part number 36"))
	parts = append(parts, j.field(37, "part number 37"))
	parts = append(parts, j.field(38, "part number 38"))
	parts = append(parts, j.field(39, "part number 39"))
	parts = append(parts, j.field(40, "part number 40"))
	parts = append(parts, j.field(41, "part number 41"))
	parts = append(parts, j.field(42, "part number 42"))
	parts = append(parts, j.field(43, "part number 43"))
	parts = append(parts, j.field(44, "part number 44"))
	return parts
}
