/* Threads for one piece of work: started for it and ended with it, so that nothing lives on that a
 * fork or the end of the process would have to know of.
 */
#ifndef BLASTER_RULES_CREW_H
#define BLASTER_RULES_CREW_H

#include <pthread.h>
#include <stdint.h>
#ifdef __linux__
#include <sched.h>
#endif

#define CREW_MAX 256

/* A processor of its own for each thread but the caller's, where there are enough of them. */
static inline void crew_pin(pthread_attr_t *attributes, int thread, int threads)
{
#if defined(__linux__) && defined(_GNU_SOURCE)
    cpu_set_t allowed, one;
    int cpu, here = sched_getcpu(), place = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) < threads)
        return;
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || cpu == here || ++place != thread)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_attr_setaffinity_np(attributes, sizeof one, &one);
        return;
    }
#else
    (void)attributes, (void)thread, (void)threads;
#endif
}

/* Calls work(members + i * size) for each i below `threads`, number 0 on the caller's own thread.
 * Where a thread cannot be had the others do its part: the work hands itself out. */
static inline void crew_run(void *(*work)(void *), void *members, size_t size, int threads)
{
    pthread_t started[CREW_MAX];
    int thread, count = 0;
    for (thread = 1; thread < threads && thread < CREW_MAX; thread++) {
        pthread_attr_t attributes;
        if (pthread_attr_init(&attributes))
            break;
        crew_pin(&attributes, thread, threads);
        if (!pthread_create(&started[count], &attributes, work, (char *)members + thread * size))
            count++;
        pthread_attr_destroy(&attributes);
    }
    work(members);
    while (count)
        pthread_join(started[--count], NULL);
}

static inline int64_t crew_next(int64_t *counter)
{
    return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

#endif
