"""What Snakemake's benchmark says that a job took."""

import numpy as np

from levelfield.execution.timings import read_timing


def test_what_a_job_took_is_read_from_snakemakes_benchmark(tmp_path):
    header = "s\th:m:s\tmax_rss\tmax_vms\tmean_load\tcpu_time\n"
    (tmp_path / "a.tsv").write_text(f"{header}3.00\t0:00:03\t280.64\t738.82\t47.38\t1.78\n")
    (tmp_path / "b.tsv").write_text(f"{header}0.2\t0:00:00\tNA\tNA\tNA\tNA\n")
    assert read_timing(tmp_path / "a.tsv").seconds == 3
    assert read_timing(tmp_path / "a.tsv").megabytes == 280.64
    assert np.isnan(read_timing(tmp_path / "b.tsv").megabytes)
    assert read_timing(tmp_path / "none.tsv") is None
