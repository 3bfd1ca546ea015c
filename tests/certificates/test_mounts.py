"""Files that are mounts of their own, seen in the text that Linux gives."""

from pathlib import Path

from teslafast.certificates.mounts import mounted_alone

INFO = """\
22 1 0:20 / / rw,relatime - overlay overlay rw
31 22 8:1 /home/me/certs/server.pem /certs/server.pem ro,relatime - ext4 /dev/sda1 rw
32 22 8:1 /home/me/certs /folder ro,relatime - ext4 /dev/sda1 rw
33 22 8:1 /a /with\\040blank/server.pem ro - ext4 /dev/sda1 rw
"""


def mounted(tmp_path: Path, *paths: str) -> list[str]:
    (tmp_path / "mountinfo").write_text(INFO)
    return [str(path) for path in mounted_alone(map(Path, paths), tmp_path / "mountinfo")]


def test_a_file_that_is_a_mount_point_is_found(tmp_path: Path) -> None:
    assert mounted(tmp_path, "/certs/server.pem", "/certs/server.key") == ["/certs/server.pem"]


def test_a_file_in_a_mounted_folder_is_not(tmp_path: Path) -> None:
    assert mounted(tmp_path, "/folder/server.pem") == []


def test_a_blank_in_a_path_is_decoded(tmp_path: Path) -> None:
    assert mounted(tmp_path, "/with blank/server.pem") == ["/with blank/server.pem"]


def test_a_link_to_a_mounted_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "link.pem").symlink_to("/certs/server.pem")
    assert mounted(tmp_path, str(tmp_path / "link.pem")) == [str(tmp_path / "link.pem")]


def test_where_the_system_does_not_tell_nothing_is_found(tmp_path: Path) -> None:
    assert mounted_alone([Path("/certs/server.pem")], tmp_path / "missing") == []
