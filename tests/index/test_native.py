"""How many threads FAISS takes."""

import threading

from index.native import faiss, openmp


def test_a_number_of_threads_holds_inside_the_block_and_for_the_calling_thread_alone() -> None:
    before = faiss.omp_get_max_threads()
    elsewhere: list[int] = []
    with openmp(before + 2):
        assert faiss.omp_get_max_threads() == before + 2
        other = threading.Thread(target=lambda: elsewhere.append(faiss.omp_get_max_threads()))
        other.start()
        other.join()
        with openmp(1):
            assert faiss.omp_get_max_threads() == 1
        assert faiss.omp_get_max_threads() == before + 2
    assert faiss.omp_get_max_threads() == before
    assert elsewhere != [before + 2]
